package main

import (
	"slices"
	"testing"

	"advosync/internal/sandbox"
)

// TestAnyOtherCallIsSeen: what compares the calls of two passes finds one more, one less,
// another order, another body.
func TestAnyOtherCallIsSeen(t *testing.T) {
	k := known{byNumber: map[string]string{"7": "a"}, behind: "page=2&"}
	entry := func(system, method, path, query, body string) sandbox.LogEntry {
		return sandbox.LogEntry{System: system, Method: method, Path: path, Query: query, Body: body}
	}
	list := entry("espocrm", "GET", "/api/v1/CBeteiligte", `searchParams={"select":["id","advowareRowId"],"where":[{"type":"in","attribute":"id","value":["a","b"]}]}`, "")
	read := entry("advoware", "GET", "/api/v1/advonet/Beteiligte/7", "", "")
	put := entry("espocrm", "PUT", "/api/v1/CBeteiligte/a", "", `{"email":"x","advowareLastSync":"2026-01-01 10:00:00","advowareRowId":"r1"}`)
	sign := entry("advoware", "POST", "/api/v1/Token", "", `{"AppID":"x"}`)
	base := []sandbox.LogEntry{sign, list, read, put}
	for name, tt := range map[string]struct {
		log             []sandbox.LogEntry
		records, others int
	}{
		"the same":            {base, 0, 0},
		"another moment":      {[]sandbox.LogEntry{sign, list, read, entry("espocrm", "PUT", "/api/v1/CBeteiligte/a", "", `{"email":"x","advowareLastSync":"2026-01-01 11:00:00","advowareRowId":"r2"}`)}, 0, 0},
		"other records first": {[]sandbox.LogEntry{list, sign, read, put}, 0, 0},
		"one more read":       {append(slices.Clone(base), read), 1, 0},
		"one less":            {base[:3], 1, 0},
		"another order":       {[]sandbox.LogEntry{sign, list, put, read}, 1, 0},
		"another body":        {[]sandbox.LogEntry{sign, list, read, entry("espocrm", "PUT", "/api/v1/CBeteiligte/a", "", `{"email":"y"}`)}, 1, 0},
		"read alone":          {[]sandbox.LogEntry{sign, list, entry("espocrm", "GET", "/api/v1/CBeteiligte/b", "", ""), read, put}, 1, 0},
		"two lists for one":   {append(slices.Clone(base), list), 2, 1},
		"a page ahead":        {append(slices.Clone(base), entry("advoware", "GET", "/api/v1/advonet/Beteiligte", "page=2&pageSize=500", "")), 0, 0},
		"another page":        {append(slices.Clone(base), entry("advoware", "GET", "/api/v1/advonet/Beteiligte", "page=1&pageSize=500", "")), 0, 1},
		"signed in twice":     {append(slices.Clone(base), sign), 0, 1},
	} {
		records, others := compare(logged(base, k), logged(tt.log, k))
		if len(records) != tt.records || len(others) != tt.others {
			t.Errorf("%s: %d records, %v", name, len(records), others)
		}
	}
	if workersOwn("GET /api/v1/CBeteiligte/<id>? ", 1) || workersOwn("POST /api/v1/Token? x", 2) || !workersOwn("POST /api/v1/Token? x", 1) {
		t.Error("what a worker may add is one sign-in")
	}
}
