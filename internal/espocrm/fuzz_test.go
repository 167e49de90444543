package espocrm

import (
	"bytes"
	"net/http"
	"testing"
	"unicode/utf8"

	"advosync/internal/transport"
)

// FuzzAnswers: whatever comes, the decoders return a whole record or say what
// came instead, and never both.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"id":"6b04736d0b0b382cd","name":"M\u00fcller"}`, `{"total":-2,"list":[{"id":"a"}]}`, `{"total":-1,"list":[]}`,
		`[]`, `null`, `true`, `{"id":`, `<html>`, "\xef\xbb\xbf{}", `{"list":[{"id":1}]}`, "{\"a\":\"\xfc\"}",
		`{"messageTranslation":{"data":{"field":"name","type":"required"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &transport.Answer{Status: 200, Header: http.Header{}, Body: body}
		obj, what := decodeRecord(a)
		if (what == "") == obj.IsZero() {
			t.Fatalf("record %v and %q", obj, what)
		}
		if what == "" && (!utf8.Valid(obj.Bytes()) || !bytes.Contains(body, obj.Bytes())) {
			t.Fatal("not what was sent")
		}
		page, what := decodePage(a, 2)
		if what != "" && page != nil || len(page) > 2 {
			t.Fatal("a page and a reason")
		}
		_ = a.Text()
	})
}
