package watch

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"advosync/internal/advoware"
	"advosync/internal/batch"
	"advosync/internal/espocrm"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/sync"
	"advosync/internal/transport"
	"strings"
	"time"
)

// Of two entities one cannot be read (no right to it, say): hints of the other one are followed.
func TestUnreadEntityHaltsThatOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sandbox.NewWorld(sandbox.WorldOptions{})
		other, err := mapping.Parse("other.yaml", []byte(strings.Replace(strings.Replace(w.Mapping(), "entity: Beteiligte", "entity: Zweite", 1), "CBeteiligte", "CZweite", 1)))
		if err != nil {
			t.Fatal(err)
		}
		opts := transport.Options{Timeout: 10 * time.Second, Base: w.Transport(), MaxWait: time.Millisecond}
		ec, err := espocrm.New(espocrm.Config{URL: w.EspoURL, APIKey: sandbox.KeyA, Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
			AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, URL: w.AdvoURL, SecurityGateway: sandbox.SecurityGatewayURL(w.AdvoURL), Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		st := memory.New(nil)
		lm := lease.New(st, store.Owner{Host: "x", PID: 1}, 5*time.Minute, lease.Options{Dead: func(store.Owner) bool { return false }})
		p := batch.New(batch.Config{Engine: sync.Config{Run: "r"}, MaxChangedShare: 1, MaxCreates: 50}, batch.Deps{EspoCRM: ec, Advoware: ac, Store: st, Leases: lm})
		_, perr := p.Run(context.Background(), []*mapping.Mapping{mapping.Builtin(), other}, batch.Options{AllowMassChange: true}, nil)
		if perr == nil {
			t.Fatal("set-up")
		}
		t.Log(perr)
		halted, failed := sortOut(perr)
		if failed || halted["Beteiligte"] {
			t.Errorf("failed %v, halted %v: no hint of any entity is followed", failed, halted)
		}
		_ = errors.Is
		_ = http.MethodGet
	})
}
