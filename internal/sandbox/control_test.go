package sandbox

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// console drives the control endpoints as a script does.
type script struct {
	*World
	t *testing.T
}

func newScript(t *testing.T) script { return script{NewWorld(WorldOptions{Extension: true}), t} }

func (s script) do(method, url, body string) string {
	s.t.Helper()
	status, answer := send(s.t, s.Client(), method, url, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, url, status, answer)
	}
	return answer
}

func TestControlEdits(t *testing.T) {
	s := newScript(t)
	espo, advo := EspoMemoryURL+"/_sandbox/", AdvoMemoryURL+"/_sandbox/"
	id := gjson.Get(s.do("POST", espo+"edit", `{"op":"create","user":"admin","values":{"name":"Neu","phone":"1"}}`), "id").String()
	s.do("POST", advo+"edit", `{"system":"espocrm","id":"`+id+`","values":{"phone":"2"}}`)
	if got := gjson.Get(s.do("GET", espo+"state?type=CBeteiligte&id="+id, ""), "[phone,syncStatus,versionNumber]").Raw; got != `["2","pending_sync",2]` {
		t.Error(got)
	}
	before := s.Advoware.RowID(BeteiligtePath, 104000)
	s.do("POST", advo+"edit", `{"id":104000,"values":{"adresse.ort":"Celle"}}`)
	state := s.do("GET", advo+"state?id=104000", "")
	if gjson.Get(state, "adresse.ort").String() != "Celle" || gjson.Get(state, "rowId").String() == before {
		t.Error(state)
	}
	if got := s.do("POST", advo+"edit", `{"op":"insert","record":{"name":"X","n":1.0}}`); gjson.Get(got, "id").Int() != 104414 {
		t.Error(got)
	}
	s.do("POST", advo+"edit", `{"op":"delete","id":104414}`)
	s.do("POST", espo+"edit", `{"op":"delete","id":"`+id+`"}`)
	s.do("POST", espo+"edit", `{"op":"restore","id":"`+id+`"}`)
	s.do("POST", espo+"edit", `{"op":"silent","id":"`+id+`","values":{"phone":"3"}}`)
	s.do("POST", espo+"edit", `{"op":"set","id":"`+id+`","values":{"versionNumber":9}}`)
	if r, _ := s.EspoCRM.Get("CBeteiligte", id); r["phone"] != "3" || r["versionNumber"] != int64(9) {
		t.Error(r)
	}
}

func TestControlFaultsAndLog(t *testing.T) {
	s := newScript(t)
	id := s.EspoCRM.Records("CBeteiligte")[0]["id"].(string)
	control := EspoMemoryURL + "/_sandbox/"
	s.do("POST", control+"fault", `{"name":"busy","method":"GET","path":"*/CBeteiligte/*","count":1,"status":503,"header":{"Retry-After":"3"},"latency":"1ms"}`)
	s.do("POST", control+"fault", `{"name":"person","method":"GET","count":1,"editAfter":{"id":"`+id+`","values":{"phone":"99"}}}`)
	get := func() (int, string) {
		return send(t, s.Client(), "GET", EspoMemoryURL+"/api/v1/CBeteiligte/"+id, "", "X-Api-Key", KeyA)
	}
	if status, _ := get(); status != 503 {
		t.Error(status)
	}
	if _, body := get(); strings.Contains(body, `"phone":"99"`) {
		t.Error("the edit came before the answer")
	}
	if _, body := get(); !strings.Contains(body, `"phone":"99"`) {
		t.Error("the edit did not come")
	}
	if got := gjson.Get(s.do("GET", control+"fault", ""), "#.acted").Raw; got != "[1,1]" {
		t.Error(got)
	}
	log := s.do("GET", AdvoMemoryURL+"/_sandbox/log?system=espocrm&method=GET&path=/api/v1/*", "")
	if gjson.Get(log, "#.status").Raw != "[503,200,200]" || gjson.Get(log, "0.fault").String() != "busy" || gjson.Get(log, "1.user").String() != "api-apikey" {
		t.Error(log)
	}
	s.do("DELETE", control+"fault?name=busy", "")
	if got := gjson.Get(s.do("GET", control+"fault", ""), "#.name").Raw; got != `["person"]` {
		t.Error(got)
	}
	s.do("DELETE", control+"log", "")
	if got := s.do("GET", control+"log", ""); strings.TrimSpace(got) != "[]" {
		t.Error(got)
	}
}

func TestControlClockAndBehaviour(t *testing.T) {
	s := newScript(t)
	espo, advo := EspoMemoryURL+"/_sandbox/", AdvoMemoryURL+"/_sandbox/"
	s.do("POST", espo+"clock", `{"set":"2026-11-23T10:00:00Z"}`)
	if got := s.do("POST", advo+"clock", `{"advance":"25h"}`); gjson.Get(got, "now").String() != "2026-11-24T11:00:00Z" {
		t.Error(got)
	}
	s.do("POST", espo+"behaviour", `{"maintenance":true}`)
	if status, _ := send(t, s.Client(), "GET", EspoMemoryURL+"/api/v1/CBeteiligte", "", "X-Api-Key", KeyA); status != 503 {
		t.Error(status)
	}
	s.do("POST", espo+"behaviour", `{"maintenance":false,"optimisticConcurrency":{"CBeteiligte":false},"formula":false,"massUpdate":false}`)
	if _, body := send(t, s.Client(), "GET", EspoMemoryURL+"/api/v1/CBeteiligte?maxSize=1", "", "X-Api-Key", KeyA); strings.Contains(body, "versionNumber") {
		t.Error(body)
	}
	got := s.do("POST", advo+"behaviour", `{"getAsList":true,"list":{"off":true},"storing":[{"field":"name","do":"upper"}],"withdrawTokens":true}`)
	if !gjson.Get(got, "list.off").Bool() || !gjson.Get(got, "getAsList").Bool() {
		t.Error(got)
	}
}

func TestControlRefusesMistakes(t *testing.T) {
	s := newScript(t)
	for _, c := range []struct{ method, what, body string }{
		{"POST", "fault", `{"metod":"GET"}`}, {"POST", "edit", `{"type":"Nope"}`}, {"POST", "edit", `{"user":"nobody"}`},
		{"POST", "edit", `{"id":"0","values":{}}`}, {"POST", "edit", `{"op":"nope"}`}, {"POST", "edit", `{"system":"advoware","id":1}`},
		{"POST", "clock", `{"advance":"soon"}`}, {"GET", "nope", ``}, {"POST", "fault", `{"latency":"long"}`}, {"GET", "state?type=Nope", ``},
	} {
		if status, body := send(t, s.Client(), c.method, EspoMemoryURL+"/_sandbox/"+c.what, c.body); status != 400 || !strings.Contains(body, "error") {
			t.Errorf("%s %s: %d %s", c.what, c.body, status, body)
		}
	}
}
