package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const maxListSize = 200

// search is what a list call asks for.
type search struct {
	selected         []string // nil: everything
	where            any      // nil or a list of items
	orderBy, order   string
	offset, maxSize  int
	textFilter       string
	onlyMine         bool
	noTotal          bool
	defaultedOrderBy bool
}

// parseSearch reads the php style parameters or searchParams, which replaces all others (06-list-searchparams-json).
func parseSearch(r *http.Request) (*search, error) {
	q := parsePHPQuery(r.URL.RawQuery)
	s := &search{maxSize: maxListSize, noTotal: r.Header.Get("X-No-Total") == "true"}
	if raw, ok := q["searchParams"].(string); ok {
		if err := s.fromJSON(raw); err != nil {
			return nil, err
		}
		return s, s.check()
	}
	s.fromQuery(q)
	return s, s.check()
}

func (s *search) fromQuery(q map[string]any) {
	text := func(names ...string) string {
		for _, n := range names {
			if v, ok := q[n].(string); ok {
				return v
			}
		}
		return ""
	}
	if sel := text("attributeSelect", "select"); sel != "" {
		s.selected = strings.Split(sel, ",")
	}
	for _, n := range []string{"whereGroup", "where"} {
		if w, isText := q[n].(string); q[n] != nil && !isText && w == "" {
			s.where = q[n] // a where that is text is ignored (06-list-where)
		}
	}
	s.orderBy, s.order = text("orderBy"), text("order")
	if v, ok := q["maxSize"].(string); ok {
		s.maxSize = int(phpIntval(v))
	}
	s.offset = int(phpIntval(text("offset")))
	s.textFilter = text("textFilter")
	if v := text("q"); v != "" {
		s.textFilter, s.noTotal = v, true
	}
	list, _ := q["boolFilterList"].([]any)
	for _, v := range list {
		s.onlyMine = s.onlyMine || v == "onlyMy"
	}
}

func (s *search) fromJSON(raw string) error {
	var p map[string]any
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&p) != nil {
		return refuse(http.StatusBadRequest, "Invalid search params JSON.", nil)
	}
	if sel, ok := p["select"]; ok {
		list, isList := sel.([]any)
		if !isList {
			return refuse(http.StatusBadRequest, "select should be array.", nil)
		}
		s.selected = []string{}
		for _, v := range list {
			s.selected = append(s.selected, fmt.Sprint(v))
		}
	}
	for name, into := range map[string]*int{"maxSize": &s.maxSize, "offset": &s.offset} {
		if err := jsonInt(p, name, into); err != nil {
			return err
		}
	}
	s.orderBy, _ = p["orderBy"].(string)
	s.order, _ = p["order"].(string)
	s.textFilter, _ = p["textFilter"].(string)
	s.where = p["where"]
	if w, ok := p["whereGroup"]; ok {
		s.where = w
	}
	if _, isObject := s.where.(map[string]any); isObject {
		return refusal{jsonReply(http.StatusInternalServerError, map[string]any{"message": "Slim Application Error"})}
	}
	return nil
}

func jsonInt(p map[string]any, name string, into *int) error {
	v, ok := p[name]
	if !ok || v == nil {
		return nil
	}
	n, isNumber := v.(json.Number)
	i, err := n.Int64()
	if !isNumber || err != nil {
		return refuse(http.StatusBadRequest, name+" must be integer.", nil)
	}
	*into = int(i)
	return nil
}

func (s *search) check() error {
	switch order := strings.ToLower(s.order); {
	case order != "" && order != "asc" && order != "desc":
		return refuse(http.StatusBadRequest, "order value is bad.", nil)
	case s.maxSize > maxListSize:
		return refuse(http.StatusForbidden, fmt.Sprintf("Max size should not exceed %d. Use offset and limit.", maxListSize), nil)
	case s.maxSize < 0 || s.offset < 0:
		return refusal{bare500()}
	}
	s.order = strings.ToLower(s.order)
	if s.orderBy == "" {
		s.orderBy, s.defaultedOrderBy = "createdAt", true
		if s.order == "" {
			s.order = "desc"
		}
	}
	return nil
}
