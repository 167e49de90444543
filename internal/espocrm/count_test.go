package espocrm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/record"
)

func TestCount(t *testing.T) {
	clean := []record.Condition{{Field: "syncStatus", Op: record.Equals, Value: "clean"}}
	t.Run("one call with a total", func(t *testing.T) {
		s := &stub{answer: func(*http.Request) *http.Response { return respond(200, nil, `{"total":10423,"list":[{"id":"a"}]}`) }}
		n, err := newClient(t, s).Count(context.Background(), "CBeteiligte", clean)
		if err != nil || n != 10423 || len(s.seen) != 1 {
			t.Errorf("%d, %v, %d calls", n, err, len(s.seen))
		}
		if s.seen[0].Header.Get("X-No-Total") != "" || !strings.Contains(s.seen[0].URL.RawQuery, "maxSize%22%3A1") {
			t.Errorf("asked %s %v", s.seen[0].URL.RawQuery, s.seen[0].Header)
		}
	})
	t.Run("totals are switched off for the type", func(t *testing.T) {
		page := 0
		s := &stub{answer: func(r *http.Request) *http.Response {
			if r.Header.Get("X-No-Total") == "" {
				return respond(200, nil, `{"total":-1,"list":[{"id":"a"}]}`)
			}
			size, total := MaxPage, -1
			switch page++; page {
			case 2: // a short page is no end
				size, total = 7, -1
			case 3:
				size, total = 5, -2
			case 4:
				size, total = 0, -2
			}
			var ids []string
			for i := range size {
				ids = append(ids, fmt.Sprintf(`{"id":"%d%04d"}`, page, i))
			}
			return respond(200, nil, fmt.Sprintf(`{"total":%d,"list":[%s]}`, total, strings.Join(ids, ",")))
		}}
		n, err := newClient(t, s).Count(context.Background(), "CBeteiligte", clean)
		if err != nil || n != MaxPage+12 {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("no list", func(t *testing.T) {
		for _, body := range []string{`[]`, `{"list":[]}`, `{"total":3}`, `<html>`, ``} {
			s := &stub{answer: func(*http.Request) *http.Response { return respond(200, nil, body) }}
			if n, err := newClient(t, s).Count(context.Background(), "CBeteiligte", clean); !fault.Is(err, fault.BadAnswer) {
				t.Errorf("%q: %d, %v", body, n, err)
			}
		}
	})
	t.Run("a filter that holds for nobody costs nothing", func(t *testing.T) {
		s := &stub{answer: func(*http.Request) *http.Response { return respond(500, nil, "") }}
		n, err := newClient(t, s).Count(context.Background(), "CBeteiligte", []record.Condition{{Field: "id", Op: record.In}})
		if n != 0 || err != nil || len(s.seen) != 0 {
			t.Errorf("%d, %v, %d calls", n, err, len(s.seen))
		}
	})
}
