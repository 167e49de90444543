package redis

import "github.com/redis/go-redis/v9"

// scripts are the writes. Lua in Redis runs alone: each is one transaction.
type scripts struct {
	acquire, extend, release, breakLock script
	commit, appendAll, prune, forget    script
	put, putNew, remove                 script
	reindex                             script
	draw, pause, report                 script
}

// script is Lua and the digest by which the server knows it.
type script struct{ text, digest string }

func newScript(text string) script { return script{text, redis.NewScript(text).Hash()} }

func newScripts() scripts {
	return scripts{
		acquire: newScript(acquireLua), extend: newScript(luaOurs + extendLua),
		release: newScript(luaOurs + releaseLua), breakLock: newScript(breakLua),
		commit: newScript(luaOurs + luaHistory + commitLua), appendAll: newScript(luaHistory + appendLua),
		prune: newScript(luaHistory + pruneLua), forget: newScript(luaHistory + forgetLua),
		put: newScript(putLua), putNew: newScript(putNewLua),
		remove: newScript(removeLua), reindex: newScript(reindexLua),
		draw: newScript(drawLua), pause: newScript(pauseLua), report: newScript(reportLua),
	}
}

// KEYS: locks. ARGV: life in ms, one value for each. Answer for each: {1}, or
// {0, value, ms left}. Our own value is there already when the answer to an
// earlier attempt got lost.
const acquireLua = `
local out = {}
for i, key in ipairs(KEYS) do
	local mine = ARGV[i + 1]
	if redis.call('SET', key, mine, 'NX', 'PX', ARGV[1]) then
		out[i] = {1}
	else
		local value = redis.call('GET', key)
		if value == mine then
			out[i] = {1}
		else
			out[i] = {0, value, redis.call('PTTL', key)}
		end
	end
end
return out`

// A lock is ours when its value begins with our token (lockValue.opening).
const luaOurs = `
local function ours(key, opening)
	local value = redis.call('GET', key)
	return value and string.sub(value, 1, #opening) == opening
end
`

// KEYS: locks. ARGV: life in ms, one opening for each. Answer: the lost keys.
const extendLua = `
local lost = {}
for i, key in ipairs(KEYS) do
	if ours(key, ARGV[i + 1]) then
		redis.call('PEXPIRE', key, ARGV[1])
	else
		lost[#lost + 1] = key
	end
end
return lost`

// KEYS: locks. ARGV: one opening for each.
const releaseLua = `
for i, key in ipairs(KEYS) do
	if ours(key, ARGV[i]) then redis.call('DEL', key) end
end
return 1`

// KEYS: the lock. ARGV: the observed value. Answer: 1, or 0 when it is another.
const breakLua = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

// A stored entry is "key of its record's index\nkey of its run's index\ndocument".
const luaHistory = `
local function unindex(id, stored)
	local a = string.find(stored, '\n', 1, true)
	local b = string.find(stored, '\n', a + 1, true)
	redis.call('ZREM', string.sub(stored, 1, a - 1), id)
	redis.call('ZREM', string.sub(stored, a + 1, b - 1), id)
end
local function put(history, times, entities, id, at, record, run, entity, doc)
	local old = redis.call('HGET', history, id)
	if old then unindex(id, old) end
	redis.call('HSET', history, id, record .. '\n' .. run .. '\n' .. doc)
	redis.call('ZADD', times, at, id)
	redis.call('ZADD', record, at, id)
	redis.call('ZADD', run, at, id)
	redis.call('SADD', entities, entity)
end
local function put_all(history, times, entities, first)
	for i = first, #ARGV, 6 do
		put(history, times, entities, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
	end
end
local function erase(history, times, entities, ids)
	for _, id in ipairs(ids) do
		local old = redis.call('HGET', history, id)
		if old then unindex(id, old) end
		redis.call('HDEL', history, id)
		redis.call('ZREM', times, id)
	end
	if redis.call('EXISTS', times) == 0 then redis.call('DEL', entities) end
	return #ids
end
`

// KEYS: lock, record, ids, intent, notes, pending, waiting, checked, history,
// times, gone, entities, advoware, made, hold, linked, schema. ARGV: opening, rev, nonce, put or del, id,
// document, intent, notes, pending, waiting (1 or 0), checked, the Advoware numbers of
// base and intent (0: none), hold (1 or 0), the link's number, the schema, then the entries. Answer: the new rev, -1 lock
// lost, -2 changed, -3 of a newer version. The nonce tells that an earlier attempt was done.
const commitLua = `
local stored = redis.call('HMGET', KEYS[2], 'rev', 'nonce')
if stored[2] == ARGV[3] then return tonumber(stored[1]) end
if ARGV[4] == 'del' and redis.call('EXISTS', KEYS[11]) == 1 then return 0 end
if not ours(KEYS[1], ARGV[1]) then return -1 end
if (stored[1] or '0') ~= ARGV[2] then return -2 end
if (tonumber(redis.call('GET', KEYS[17]) or 0) or 0) > tonumber(ARGV[16]) then return -3 end
local rev, id = 0, ARGV[5]
local function mark(key, yes, score)
	if yes then redis.call('ZADD', key, score, id) else redis.call('ZREM', key, id) end
end
local put = ARGV[4] == 'put'
if put then
	rev = tonumber(ARGV[2]) + 1
	redis.call('HSET', KEYS[2], 'rev', string.format('%.0f', rev), 'nonce', ARGV[3], 'doc', ARGV[6])
else
	redis.call('DEL', KEYS[2])
	redis.call('SET', KEYS[11], '1', 'PX', '600000')
end
mark(KEYS[3], put, 0)
mark(KEYS[4], put and ARGV[7] == '1', 0)
mark(KEYS[5], put and ARGV[8] == '1', 0)
mark(KEYS[6], put and ARGV[9] == '1', 0)
mark(KEYS[7], put and ARGV[10] == '1', 0)
mark(KEYS[8], put, ARGV[11])
mark(KEYS[13], put and ARGV[12] ~= '0', ARGV[12])
mark(KEYS[14], put and ARGV[13] ~= '0', ARGV[13])
mark(KEYS[15], put and ARGV[14] == '1', 0)
for _, i in ipairs({12, 13, 15}) do
	if ARGV[i] ~= '0' then redis.call('SADD', KEYS[16], ARGV[i]) end
end
put_all(KEYS[9], KEYS[10], KEYS[12], 17)
return rev`

// KEYS: record, advoware, made, linked. ARGV: id, rev, the Advoware numbers of base, intent
// and link. A record that has moved on was indexed by who moved it.
const reindexLua = `
if redis.call('HGET', KEYS[1], 'rev') ~= ARGV[2] then return 0 end
for i = 2, 3 do
	if ARGV[i + 1] ~= '0' then redis.call('ZADD', KEYS[i], ARGV[i + 1], ARGV[1]) end
end
for i = 3, 5 do
	if ARGV[i] ~= '0' then redis.call('SADD', KEYS[4], ARGV[i]) end
end
return 1`

// KEYS: history, times, entities. ARGV: the entries.
const appendLua = `
put_all(KEYS[1], KEYS[2], KEYS[3], 1)
return 1`

// KEYS: history, times, entities. ARGV: time, how many at most. Answer: how many.
const pruneLua = `
return erase(KEYS[1], KEYS[2], KEYS[3], redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2]))`

// KEYS: history, times, entities, the record's index. ARGV: how many at most.
// Ids whose entries were evicted are taken out, too, or they would be met again for ever.
const forgetLua = `
local ids = redis.call('ZRANGE', KEYS[4], 0, tonumber(ARGV[1]) - 1)
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, #ids - 1)
return erase(KEYS[1], KEYS[2], KEYS[3], ids)`

// Values are found through a sorted set of their keys, and those that expire
// through a second one, by the writer's clock: it only says where to look, a
// key is taken out when its value is gone.
const luaValues = `
local function sweep()
	for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[2], 'LIMIT', 0, 50)) do
		if redis.call('EXISTS', ARGV[3] .. key) == 0 then
			redis.call('ZREM', KEYS[2], key)
			redis.call('ZREM', KEYS[3], key)
		end
	end
end
`

// KEYS: value, all keys, keys that expire. ARGV: key, time now, prefix of the
// values, value, life in ms (0: for ever).
const putLua = luaValues + `
if ARGV[5] == '0' then
	redis.call('SET', KEYS[1], ARGV[4])
	redis.call('ZREM', KEYS[3], ARGV[1])
else
	redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
	redis.call('ZADD', KEYS[3], string.format('%.0f', tonumber(ARGV[2]) + tonumber(ARGV[5])), ARGV[1])
end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
sweep()
return 1`

// KEYS and ARGV as for put, without life. Answer: the value in force.
const putNewLua = `
if redis.call('SET', KEYS[1], ARGV[4], 'NX') then
	redis.call('ZREM', KEYS[3], ARGV[1])
	redis.call('ZADD', KEYS[2], 0, ARGV[1])
end
return redis.call('GET', KEYS[1])`

// KEYS and ARGV as for put, without value and life.
const removeLua = luaValues + `
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
sweep()
return 1`
