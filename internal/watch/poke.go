package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"advosync/internal/mapping"
)

const (
	pokeTime = 5 * time.Second
	maxPoke  = 1 << 20 // of one request, in bytes
	// maxPath is what the kernel takes as the path of a socket.
	maxPath = 100
)

// Poke is what is sent over the socket: somebody wants records to be looked at.
type Poke struct {
	Entity string   `json:"entity"`
	IDs    []string `json:"ids"`
}

// Poked is the answer: how many of them are going to be looked at, and why no more.
type Poked struct {
	Taken int    `json:"taken"`
	Error string `json:"error,omitempty"`
}

// pokes takes pokes from a socket that only this user can open.
type pokes struct {
	path     string
	entities []string
}

// Pokes is the listener for pokes on a unix socket.
func Pokes(path string, ms []*mapping.Mapping) Listener {
	p := &pokes{path: path}
	for _, m := range ms {
		p.entities = append(p.entities, m.Entity())
	}
	return p
}

// Run implements Listener.
func (p *pokes) Run(ctx context.Context, ear Ear) error {
	l, err := listenUnix(p.path)
	if err != nil {
		return fmt.Errorf("pokes are not taken: %w", err)
	}
	defer func() { _ = l.Close() }() // also where taking fails: else it would be found as another process's when it is tried again
	few := &few{Listener: l, room: make(chan struct{}, maxConns)}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := few.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go p.answer(c, ear)
	}
}

// listenUnix makes the socket; what a watch that died has left there is taken away.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("%s is too long for a socket; set watch.socket", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("another process listens on %s", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is there and no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (p *pokes) answer(c net.Conn, ear Ear) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(pokeTime))
	var ask Poke
	var said Poked
	if err := json.NewDecoder(io.LimitReader(c, maxPoke)).Decode(&ask); err != nil {
		said.Error = "not a poke"
	} else {
		said = p.take(ask, ear)
	}
	_ = json.NewEncoder(c).Encode(said)
}

func (p *pokes) take(ask Poke, ear Ear) (said Poked) {
	if !slices.Contains(p.entities, ask.Entity) {
		return Poked{Error: "the watch has another configuration: it does not know this entity"}
	}
	for _, id := range ask.IDs {
		switch {
		case !plainID(id):
			said.Error = "an id that no record has"
		case !ear.Hear(Hint{Entity: ask.Entity, ID: id, Source: FromPoke, Edited: time.Now()}):
			said.Error = "the watch follows no hints for it now; its next pass looks at what is marked or edited"
		default:
			said.Taken++
		}
	}
	return said
}

// SendPoke asks the watch that listens on a socket to look at records.
func SendPoke(ctx context.Context, path string, ask Poke) (Poked, error) {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, pokeTime)
	defer cancel()
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return Poked{}, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(pokeTime))
	var said Poked
	if err = json.NewEncoder(c).Encode(ask); err == nil {
		err = json.NewDecoder(io.LimitReader(c, maxPoke)).Decode(&said)
	}
	return said, err
}
