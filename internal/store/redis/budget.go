package redis

import (
	"context"
	"time"

	"advosync/internal/store"
)

const opDraw = "draw from the budget of calls"

// DrawCalls draws on the server's clock.
func (s *Store) DrawCalls(ctx context.Context, system string, d store.Drawing) (store.Drawn, error) {
	args := []any{d.PerSecond, d.Burst, d.Want, d.Least}
	for _, mark := range d.Back {
		args = append(args, mark)
	}
	value, err := s.run(ctx, opDraw, s.scripts.draw, call{[]string{s.space.budget(system)}, args})
	if err != nil {
		return store.Drawn{}, err
	}
	parts, ok := value.([]any)
	if !ok || len(parts) != 4 {
		return store.Drawn{}, unexpected(opDraw)
	}
	var n [4]int64
	for i, p := range parts {
		if n[i], ok = p.(int64); !ok {
			return store.Drawn{}, unexpected(opDraw)
		}
	}
	return store.Drawn{Granted: int(n[0]), Mark: n[1], Wait: time.Duration(n[2]) * time.Millisecond, Paused: time.Duration(n[3]) * time.Millisecond}, nil
}

// PauseCalls has nobody draw for a while.
func (s *Store) PauseCalls(ctx context.Context, system string, pause time.Duration) error {
	_, err := s.run(ctx, opDraw, s.scripts.pause, call{[]string{s.space.budget(system)}, []any{millis(pause)}})
	return err
}

// A budget is a hash: at, level, until, and a field for each slot of the window in
// which something was drawn (store.Bucket says what they mean).
const luaClock = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`

// KEYS: the budget. ARGV: per second, burst, wanted, at least, marks of what was not called.
// Answer: granted, mark, ms to wait, ms that the pause lasts. Run twice it draws twice:
// less is called then.
const drawLua = luaClock + `
local rate, burst, want, least = tonumber(ARGV[1]), math.max(tonumber(ARGV[2]), 2), tonumber(ARGV[3]), math.max(tonumber(ARGV[4]), 1)
local b = {}
local raw = redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do b[raw[i]] = tonumber(raw[i + 1]) end
local at, level, untl = b.at or now, b.level or burst, b['until'] or 0
b.at, b.level, b['until'] = nil, nil, nil
untl = untl - math.max(at - now, 0)
level = level + math.max(now - at, 0) / 1000 * rate
for i = 5, #ARGV do
	local n = b[ARGV[i]]
	if n and n > 0 then b[ARGV[i]] = n - 1; level = level + 1 end
end
level = math.min(level, burst)
local mark, sum, first = math.floor(now / 250), 0, nil
local kept = {}
for s, n in pairs(b) do
	local k = math.min(tonumber(s), mark)
	if k > mark - 41 and n > 0 then
		s = string.format('%d', k)
		kept[s] = (kept[s] or 0) + n
		sum = sum + n
		if not first or k < first then first = k end
	end
end
local granted, wait, paused = 0, 0, math.max(untl - now, 0)
if paused > 0 then
	wait = paused
else
	local room = math.max(math.floor(rate * 10 + 1e-9), 2) - sum
	granted = math.min(want, math.floor(level + 1e-9), room)
	if granted < least then granted = 0 end
	level = level - granted
	if granted > 0 then
		local s = string.format('%d', mark)
		kept[s] = (kept[s] or 0) + granted
		if not first then first = mark end
	end
	if granted < want then
		wait = math.ceil((least - level) / rate * 1000)
		if room - granted < least then wait = math.max(wait, (first + 41) * 250 - now) end
		wait = math.max(wait, 1)
	end
end
redis.call('DEL', KEYS[1])
local set = {'at', string.format('%d', now), 'level', string.format('%.6f', level), 'until', string.format('%d', untl)}
for s, n in pairs(kept) do set[#set + 1] = s; set[#set + 1] = n end
redis.call('HSET', KEYS[1], unpack(set))
redis.call('PEXPIRE', KEYS[1], math.ceil(20000 + burst / rate * 1000 + paused))
return {granted, mark, wait, paused}`

// KEYS: the budget. ARGV: ms.
const pauseLua = luaClock + `
local at, untl = unpack(redis.call('HMGET', KEYS[1], 'at', 'until'))
local back = math.max((tonumber(at) or now) - now, 0)
local till = math.max(now + ARGV[1], (tonumber(untl) or 0) - back)
redis.call('HSET', KEYS[1], 'until', string.format('%d', till))
if back > 0 then redis.call('HSET', KEYS[1], 'at', string.format('%d', now)) end
if redis.call('PTTL', KEYS[1]) < till - now then redis.call('PEXPIRE', KEYS[1], till - now + 20000) end
return 1`
