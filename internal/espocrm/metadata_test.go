package espocrm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"advosync/internal/fault"
)

func TestMetadata(t *testing.T) {
	answers := map[string]string{
		"entityDefs.CBeteiligte": `{"fields":{"email":{"type":"varchar"}}}`,
		"entityDefs.Nothing":     `null`,
		"entityDefs.Page":        `<html>sign in</html>`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/Metadata" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answers[r.URL.Query().Get("key")]))
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL, APIKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if raw, there, err := c.Metadata(ctx, "entityDefs.CBeteiligte"); err != nil || !there || string(raw) != answers["entityDefs.CBeteiligte"] {
		t.Errorf("%s, %v, %v", raw, there, err)
	}
	if _, there, err := c.Metadata(ctx, "entityDefs.Nothing"); err != nil || there {
		t.Errorf("what is not told is no error: %v, %v", there, err)
	}
	if _, _, err := c.Metadata(ctx, "entityDefs.Page"); !fault.Is(err, fault.BadAnswer) {
		t.Errorf("a page is no answer: %v", err)
	}
}
