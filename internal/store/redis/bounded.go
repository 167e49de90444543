package redis

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// What an answer may announce. The client makes room for what is announced
// before any of it has come, so one line of a broken or hostile server could
// fill the memory; a store's answers stay far below.
const (
	maxElements = 4 << 20  // of one array
	maxNesting  = 8        // arrays in arrays
	maxBulk     = 64 << 20 // bytes of one string
	maxLine     = 64 << 10 // bytes of a line: a status, an error, a length
	maxReply    = 1 << 29  // bytes of one answer
)

// errHostile: what answers is no Redis, or one that nobody should talk to.
var errHostile = errors.New("it answers what no store answers")

// bounded is a connection that passes on no header which announces more than
// that. It follows the protocol's frames, RESP 2 only, as the client asks for.
type bounded struct {
	net.Conn
	line  []byte // of the header that has not come to its end
	skip  int    // bytes of a string that are still to come, with its line end
	open  []int  // how many elements each array that is under way still lacks
	size  int    // of the answer so far
	wrong error
}

// Read passes on what was read, up to a header that announces too much. That
// one's end is kept back, so that nobody acts on it.
func (c *bounded) Read(p []byte) (int, error) {
	if c.wrong != nil {
		return 0, c.wrong
	}
	n, err := c.Conn.Read(p)
	for i := 0; i < n; {
		took, wrong := c.follow(p[i:n])
		if wrong != nil {
			c.wrong = fmt.Errorf("%w: %w", errHostile, wrong)
			return i, c.wrong
		}
		i += took
	}
	return n, err
}

// follow takes the bytes up to the next boundary within p.
func (c *bounded) follow(p []byte) (took int, err error) {
	if c.skip > 0 {
		took = min(c.skip, len(p))
		if c.skip -= took; c.skip == 0 {
			err = c.completed()
		}
		return took, err
	}
	for i, b := range p {
		if b == '\n' {
			line := append(c.line, p[:i]...)
			c.line = c.line[:0]
			return i + 1, c.header(line)
		}
	}
	if c.line = append(c.line, p...); len(c.line) > maxLine {
		return 0, errors.New("a line without an end")
	}
	return len(p), nil
}

func (c *bounded) header(line []byte) error {
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return errors.New("an empty line")
	}
	if c.size += len(line); c.size > maxReply {
		return errors.New("an endless answer")
	}
	kind, text := line[0], string(line[1:len(line)-1])
	switch kind {
	case '+', '-', ':':
		return c.completed()
	case '$':
		n, err := announced(text, maxBulk)
		if err != nil || n < 0 {
			return errors.Join(err, c.completed())
		}
		if c.size += n; c.size > maxReply {
			return errors.New("an endless answer")
		}
		c.skip = n + len("\r\n")
		return nil
	case '*':
		n, err := announced(text, maxElements)
		if err != nil || n <= 0 {
			return errors.Join(err, c.completed())
		}
		if c.open = append(c.open, n); len(c.open) > maxNesting {
			return errors.New("arrays in arrays without an end")
		}
		return nil
	default:
		return fmt.Errorf("a reply of the kind %q", kind)
	}
}

// announced reads a length; -1 is nothing.
func announced(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 || n > most {
		return 0, errors.New("a length beyond all measure")
	}
	return n, nil
}

// completed counts one element, and every array that it was the last of.
func (c *bounded) completed() error {
	for last := len(c.open) - 1; last >= 0; last-- {
		if c.open[last]--; c.open[last] > 0 {
			return nil
		}
		c.open = c.open[:last]
	}
	c.size = 0
	return nil
}

// raw is a bounded connection on a socket of its own, which lets the pool see
// whether an idle one has been closed. One under TLS must not promise that: the pool
// would take it for dead, and make another for every call.
type raw struct {
	*bounded
	syscall.Conn
}

// bound bounds a connection.
func bound(conn net.Conn) net.Conn {
	b := &bounded{Conn: conn}
	if socket, ok := conn.(syscall.Conn); ok {
		return raw{b, socket}
	}
	return b
}
