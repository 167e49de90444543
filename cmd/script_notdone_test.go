package cmd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// outage keeps a write from being carried out: the script lines that bring it
// about, and those that end it.
type outage struct{ name, begin, end string }

// env is an outage that a setting brings about.
func env(name, key, value string) outage {
	return outage{name, "env ADVOSYNC_ADVOWARE_" + key + "=" + value, "env ADVOSYNC_ADVOWARE_" + key + "="}
}

// beforeSending are outages in which no write of Advoware is ever sent.
func beforeSending() []outage {
	token := func(name, rule string) outage {
		return outage{name, "fault advo name=token method=POST path=*/Token " + rule, "fault clear"}
	}
	return []outage{
		env("wrong password", "PASSWORD", "falsch"),
		env("wrong kanzlei", "KANZLEI", "unbekannt"),
		token("sign-in 503", "status=503 body=Wartung"),
		token("sign-in 429", "status=429"),
		{"sign-in hangs", "env ADVOSYNC_ADVOWARE_TIMEOUT=300ms\nfault advo name=token method=POST path=*/Token held=true",
			"env ADVOSYNC_ADVOWARE_TIMEOUT=\nfault clear"},
		{"configurator down", "fault advo name=conf path=*/Url status=503", "fault clear"},
		env("connection refused", "CONFIGURATOR_URL", "http://127.0.0.1:1/"),
		env("api refuses connections", "URL", "http://127.0.0.1:1/"),
		env("unknown host", "URL", "https://advoware.invalid/"),
		env("certificate not trusted", "URL", "$TLS_URL"),
		env("no TLS", "URL", "$PLAIN_AS_TLS_URL"),
		{"proxy 407", "env HTTPS_PROXY=$PROXY_URL\nenv ADVOSYNC_ADVOWARE_URL=https://advoware.example/", "env HTTPS_PROXY=\nenv ADVOSYNC_ADVOWARE_URL="},
	}
}

// refused are answers that say of a write that it was not carried out.
func refused(method string) []outage {
	var out []outage
	for _, answer := range []string{"401", "403", "404 body=HTTP-Fehler", "405", "429", "308", "302",
		"'500 body=Das Produkt ist nicht freigeschaltet.'", "'200 body=Die Datenbank ist nicht angemeldet.'"} {
		words := strings.Trim(answer, "'")
		status, body, hasBody := strings.Cut(words, " ")
		rule := "status=" + status
		if hasBody {
			rule += " '" + body + "'"
		}
		out = append(out, outage{"answered " + words, "fault advo name=no method=" + method + " path=*/Beteiligte* " + rule, "fault clear"})
	}
	return out
}

// TestACreateThatWasNotCarriedOut (first week, 1): a POST that was not sent, or was
// refused, is simply tried again. Nothing is counted, nobody is asked, and there
// is one record in the end, also where Advoware cannot be searched.
func TestACreateThatWasNotCarriedOut(t *testing.T) {
	outages := append(beforeSending(), refused("POST")...)
	outages = append(outages, outage{"interrupted while signing in",
		"fault advo name=token method=POST path=*/Token held=true\n! exec advosync sync --id $N1 &sync&\nawait token\nkill -INT sync\nwait sync\nenv ADVOSYNC_ADVOWARE_TIMEOUT=300ms",
		"env ADVOSYNC_ADVOWARE_TIMEOUT=\nfault clear"})
	runOutages(t, outages, `
exec sed -i '/list: {/d' entities/beteiligte.yaml
BEGIN
! exec advosync sync --id $N1 --id $N2
! stdout uncertain_create
! exec advosync cron-run
! exec advosync cron-run
advo count 4
espo has $N1 syncStatus=pending_sync syncRetryCount=null syncErrorMessage=null
END
# a wrong address or Kanzlei was the store's first
exec advosync cron-run --allow-moved -o json
json stdout summary.created = 2 summary.failed = 0
advo count 6
espo has $N1 syncStatus=clean syncRetryCount=0
espo has $N2 syncStatus=clean syncRetryCount=0
espo posts 0
idle
`)
}

// TestAnUpdateThatWasNotCarriedOut (first week, 1): no deadline is waited for where
// nothing can land.
func TestAnUpdateThatWasNotCarriedOut(t *testing.T) {
	runOutages(t, refused("PUT"), `
exec advosync sync --id $P1 --id $P2 --id $P3 --id $F1
espo edit $P1 email=neu@example.de
BEGIN
! exec advosync sync --id $P1
! stderr 'may still land'
END
exec advosync sync --id $P1 -o json
json stdout results.0.outcome = updated_advoware
json stdout run.durationMs ~ '^[0-9]{1,4}$'
advo has $P1N emailGesch=neu@example.de
espo has $P1 syncStatus=clean syncRetryCount=0
exec advosync history --id $P1 -o json
! stdout planned
idle
`)
}

// TestADeleteThatWasNotCarriedOut (first week, 1).
func TestADeleteThatWasNotCarriedOut(t *testing.T) {
	var outages []outage
	for _, o := range refused("DELETE") {
		if !strings.Contains(o.name, "404") { // which says that it is gone
			outages = append(outages, o)
		}
	}
	runOutages(t, outages, `
exec advosync sync --id $P1 --id $P2 --id $P3 --id $F1
espo delete $P1
BEGIN
! exec advosync sync --id $P1 --action delete --yes
advo count 4
END
exec advosync sync --id $P1 --action delete --yes -o json
json stdout results.0.outcome = updated_advoware
advo count 3
idle
`)
}

// runOutages plays one script per outage.
func runOutages(t *testing.T, outages []outage, script string) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, o := range outages {
		name := filepath.Join(dir, fmt.Sprintf("%02d_%s.txtar", i, strings.NewReplacer(" ", "_", "=", "_").Replace(o.name)))
		text := strings.NewReplacer("BEGIN", o.begin, "END", o.end).Replace("sandbox\nenv ADVOSYNC_SYNC_LATE_WRITE=\n" + script)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	p := (&stage{driver: "embedded"}).params()
	p.Files = files
	world := p.Setup
	p.Setup = func(e *testscript.Env) error {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
		trusted := httptest.NewTLSServer(http.NotFoundHandler())
		trusted.Config.ErrorLog = nil
		e.Defer(proxy.Close)
		e.Defer(trusted.Close)
		e.Setenv("PROXY_URL", proxy.URL)
		e.Setenv("TLS_URL", trusted.URL)
		e.Setenv("PLAIN_AS_TLS_URL", strings.Replace(proxy.URL, "http:", "https:", 1))
		return world(e)
	}
	testscript.Run(t, p)
}
