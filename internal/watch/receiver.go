package watch

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"advosync/internal/mapping"
)

const (
	// maxBody is the largest webhook that is read, in bytes. EspoCRM sends 20 events at
	// a time.
	maxBody = 1 << 20
	// maxConns is how many connections are open at the same time, so that memory stays
	// bounded whoever comes.
	maxConns = 16
	// bodyTime is how long a request may take to arrive.
	bodyTime = 5 * time.Second
	maxID    = 40
)

// Hook is one webhook that is expected.
type Hook struct {
	Event  string // such as CBeteiligte.update; the URL's path ends in it
	Secret string // EspoCRM's secretKey
}

// receiver takes EspoCRM's webhooks. It answers 204, or 503 where it takes nothing, and
// nothing else: other codes have EspoCRM drop the events, or the webhook, for good.
// Whoever has no secret learns nothing from it.
type receiver struct {
	address string
	hooks   map[string]hook // by event, which is what the path ends in
	log     *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // by what is wrong
}

// sayAgain is how often it is said that webhooks are refused: whoever finds the port
// fills no log.
const sayAgain = time.Hour

type hook struct {
	secret   []byte
	entities []string
}

// Webhooks is the listener for EspoCRM's webhooks on a host and port. Events of types
// that no entity has are taken and mean nothing. What is refused is said in log.
func Webhooks(address string, hooks []Hook, ms []*mapping.Mapping, log *slog.Logger) Listener {
	r := &receiver{address: address, hooks: map[string]hook{}, log: log, said: map[string]time.Time{}}
	for _, h := range hooks {
		kind, _, _ := strings.Cut(h.Event, ".")
		of := hook{secret: []byte(h.Secret)}
		for _, m := range ms {
			if m.EspoType() == kind {
				of.entities = append(of.entities, m.Entity())
			}
		}
		r.hooks[h.Event] = of
	}
	return r
}

// Run implements Listener.
func (r *receiver) Run(ctx context.Context, ear Ear) error {
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return fmt.Errorf("webhooks are not taken: %w", err)
	}
	return serve(ctx, &few{Listener: l, room: make(chan struct{}, maxConns)}, r.handler(ear), bodyTime)
}

// serve answers until ctx ends, whoever takes no longer for a request than its time.
func serve(ctx context.Context, l net.Listener, h http.Handler, each time.Duration) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: each, ReadTimeout: each, WriteTimeout: 2 * each, IdleTimeout: 3 * each,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *receiver) handler(ear Ear) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.take(q, ear) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Connection", "close") // what is left of the body is not read
		w.WriteHeader(http.StatusServiceUnavailable)
	})
}

// take takes one request; false: it is not one of EspoCRM's, or there is no room. Of
// what it holds only the ids are read, and they are only looked at.
func (r *receiver) take(q *http.Request, ear Ear) bool {
	event := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
	h, known := r.hooks[event]
	if q.Method != http.MethodPost {
		return false
	}
	if !known {
		r.refuse("its URL ends in no event of watch.webhooks")
		return false
	}
	if q.ContentLength > maxBody {
		return false
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return false
	}
	if !signed(q.Header, body, h.secret) {
		r.refuse("what came as " + event + " is not signed with its secret key in watch.webhooks")
		return false
	}
	var events []struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &events) != nil {
		return true // it would be no other one the next time
	}
	for _, e := range events {
		if !plainID(e.ID) {
			continue
		}
		for _, entity := range h.entities {
			if !ear.Hear(Hint{Entity: entity, ID: e.ID, Source: FromWebhook}) {
				return false
			}
		}
	}
	return true
}

// refuse says why something was not taken: EspoCRM tries four times, and what it then
// drops nobody would miss here.
func (r *receiver) refuse(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.said[why].IsZero() || now.Sub(r.said[why]) >= sayAgain {
		r.said[why] = now
		r.log.Warn("a webhook was refused: "+why, "hint", "advosync doctor compares watch.webhooks with those of EspoCRM")
	}
}

// signed holds the signature against the raw body, in constant time: base64 of the
// webhook's id, a colon and the HMAC-SHA256 as hex (Signature) or as bytes
// (X-Signature, of versions before).
func signed(header http.Header, body, secret []byte) bool {
	sum := hmac.New(sha256.New, secret)
	sum.Write(body)
	want := sum.Sum(nil)
	text, inHex := header.Get("Signature"), true
	if text == "" {
		text, inHex = header.Get("X-Signature"), false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	_, mac, _ := strings.Cut(string(raw), ":")
	got := []byte(mac)
	if inHex {
		if got, err = hex.DecodeString(mac); err != nil {
			return false
		}
	}
	return hmac.Equal(got, want)
}

// plainID: what EspoCRM gives for an id, or an Advoware number.
func plainID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// few bounds how many connections are open.
type few struct {
	net.Listener
	room chan struct{}
}

// Accept waits until there is room for one more.
func (l *few) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &fewConn{Conn: c, left: func() { <-l.room }}, nil
}

type fewConn struct {
	net.Conn
	once sync.Once
	left func()
}

// Close makes room.
func (c *fewConn) Close() error {
	defer c.once.Do(c.left)
	return c.Conn.Close()
}
