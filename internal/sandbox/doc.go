// Package sandbox simulates EspoCRM and Advoware behind net/http, for the sandbox command, for tests and for
// measurements. What EspoCRM does is held against recorded exchanges of EspoCRM 9.2.7 (contract_test.go); what Advoware
// does follows the vendor's public pages and has a switch wherever offices differ.
//
// [NewEspoCRM] and [NewAdvoware] are the systems: http.Handlers with methods of their own that act as people beside the
// API. [NewWorld] is both with sample data. They are reached over loopback ([World.Start]) or in memory
// ([World.Transport], which opens no sockets and so works inside a testing/synctest bubble). A [Fault] makes a request
// slow, fail, lose its answer, or meet somebody's edit.
//
// # Control endpoint
//
// Each server answers plain JSON under /_sandbox/, without credentials and outside log and faults, so that scripts can
// steer it. The systems of a world share clock, faults and log. A mistake is answered with 400 and {"error": "…"};
// unknown keys are mistakes.
//
//	POST   /_sandbox/edit       a change by a person: {"system": "espocrm"|"advoware", "op", "id", "values", …} → {"id"}
//	                            system may be left out: the asked server's own
//	                            espocrm:  "type" (CBeteiligte), "user" (anna); op put (default), create, delete, restore,
//	                                      silent (modifiedAt stays), set (straight into the database), seed, remove
//	                            advoware: "path" (api/v1/advonet/Beteiligte); op edit (default; dotted names), resave,
//	                                      delete, insert ("record": {…} or "values") → {"id", "rowId"}
//	POST   /_sandbox/fault      a rule: {"name", "system", "method", "path" (with *), "query" (part of it),
//	                            "skip": n, "count": n (0: for ever), "latency": "200ms", "landsLate": true,
//	                            "held": true (until the rule is removed),
//	                            "status", "header": {"Retry-After": "5"}, "body", "bodySize": bytes, "processed": true,
//	                            "echo": true (the request's headers and body in the answer),
//	                            "truncate": bytes, "drop": "before"|"after"|"middle",
//	                            "edit": {as above, made before the system works}, "editAfter": {… after it}}
//	                            The first rule that matches acts.
//	GET    /_sandbox/fault      [{"name", "seen", "acted"}]
//	DELETE /_sandbox/fault      removes ?name=…, or all
//	GET    /_sandbox/state      the asked system: {"records": {type or path: […]}, …}; espocrm also "notes", "posts"; advoware
//	                            "tokenFetches"; narrowed by ?type=CBeteiligte&id=… or ?path=api/v1/advonet/Beteiligte, ?id=104000
//	GET    /_sandbox/log        [{"number", "time", "system", "method", "path", "query", "user", "status", "fault", "processed"}]
//	                            narrowed by ?system=, ?method=, ?path= (with *); ?bodies=1 shows request bodies.
//	                            status 0: no answer reached the client
//	DELETE /_sandbox/log        empties it
//	GET    /_sandbox/clock      {"now"}
//	POST   /_sandbox/clock      {"set": RFC 3339} stops it there, {"advance": "24h"} moves it, {"run": true} lets it go on → {"now"}
//	POST   /_sandbox/behaviour  espocrm: {"maintenance", "formula", "massUpdate", "uniqueWithDeleteId": bool, "listMax": n,
//	                            "stream": {type: bool}, "optimisticConcurrency": {type: bool},
//	                            "saving": [{"type", "field", "do": "e164"|"street"|"lower"|"round"}],
//	                            "fields": {type: {name: null|{"type", "maxLength", "options", "required", "readOnly", "unique"}}},
//	                            "rights": {type: {"read": bool, "edit", "create", "delete", "stream"}} of KEY-A}
//	                            advoware: the keys of [Behaviour], and "withdrawTokens": true
package sandbox
