package console

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// The modes of --progress.
const (
	ProgressAuto   = "auto" // on a terminal
	ProgressAlways = "always"
	ProgressNever  = "never"
)

// Progress is a bar on stderr: done of total, rate, time left, what came of the
// records. A nil Progress shows nothing, so callers need not ask.
type Progress struct {
	pool *mpb.Progress
	bar  *mpb.Bar
	err  *stream

	mu    sync.Mutex
	done  int
	total int
	since time.Time // when the first total was known
}

// NewProgress begins a bar, or returns nil where none is wanted: auto shows it
// on a terminal only, so that a cron mail holds no bars. tail is asked for the
// text behind the bar at every refresh; it must be short and safe for
// concurrent use. What is written to c.Err meanwhile appears above the bar.
func (c *Console) NewProgress(mode string, tail func() string) *Progress {
	if mode == ProgressNever || mode != ProgressAlways && !c.ErrFacts.Terminal {
		return nil
	}
	p := &Progress{}
	out := c.Err
	if s, ok := c.Err.(*stream); ok {
		p.err, out = s, s.file
	}
	opts := []mpb.ContainerOption{mpb.WithOutput(out), mpb.WithWidth(c.ErrFacts.Width), mpb.WithRefreshRate(150 * time.Millisecond)}
	if mode == ProgressAlways {
		opts = append(opts, mpb.WithAutoRefresh()) // also into a pipe
	}
	p.pool = mpb.New(opts...)
	// The bar is drawn here and not by mpb's decorators, which do not give way to
	// each other where a line is too narrow. mpb does not know the total either:
	// a bar that has reached it would be gone before the next entity adds to it.
	p.bar = p.pool.New(0, filler(func(w io.Writer, s decor.Statistics) error {
		_, err := io.WriteString(w, p.line(min(s.AvailableWidth, c.ErrFacts.Width)-1, c.ErrFacts.UTF8, time.Now(), tail()))
		return err
	}), mpb.BarRemoveOnComplete(), mpb.BarFillerTrim())
	if p.err != nil {
		p.err.redirect(p.pool)
	}
	return p
}

// filler draws the whole line; there is no state to build.
type filler mpb.BarFillerFunc

func (f filler) Build() mpb.BarFiller { return mpb.BarFillerFunc(f) }

// line is the bar in at most width columns: the text at its end gives way first.
func (p *Progress) line(width int, utf8Too bool, now time.Time, tail string) string {
	p.mu.Lock()
	done, total, since := p.done, p.total, p.since
	p.mu.Unlock()
	full, empty, left, right, more := "=", " ", "[", "]", "..."
	if utf8Too {
		full, empty, left, right, more = "━", "─", "", "", "…"
	}
	if total <= 0 {
		return cut(tail, width, more)
	}
	cells := max(8, width/5)
	filled := min(cells*done/total, cells)
	parts := []string{fmt.Sprintf("%*d/%d ", len(fmt.Sprint(total)), done, total) + left + strings.Repeat(full, filled) + strings.Repeat(empty, cells-filled) + right}
	if gone := now.Sub(since); done > 0 && gone > 0 {
		rate := float64(done) / gone.Seconds()
		format := "%3.0f/s"
		if rate < 10 {
			format = "%3.1f/s"
		}
		parts = append(parts, fmt.Sprintf(format, rate))
		if done < total {
			parts = append(parts, clockOf(time.Duration(float64(total-done)/rate*float64(time.Second)))+" left")
		}
	}
	line := strings.Join(parts, "  ")
	if room := width - utf8.RuneCountInString(line) - 2; tail != "" && room >= 8 {
		line += "  " + cut(tail, room, more)
	}
	return cut(line, width, more)
}

// clockOf is a duration as 0:05, 12:30 or 3:00:00.
func clockOf(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func cut(s string, width int, more string) string {
	if r := []rune(s); len(r) > width {
		keep := max(width-len([]rune(more)), 0)
		return string(r[:keep]) + more
	}
	return s
}

// Total says how many there will be, once that is known.
func (p *Progress) Total(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total = n; n > 0 && p.since.IsZero() {
		p.since = time.Now()
	}
}

// Step counts one as done.
func (p *Progress) Step() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.done++
	p.mu.Unlock()
	p.bar.Increment()
}

// Done takes the bar away; what follows on stderr starts on a clean line.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	if p.err != nil {
		p.err.redirect(nil)
	}
	p.bar.Abort(true)
	p.pool.Wait()
}

// stream is stderr, which makes way for a bar.
type stream struct {
	file io.Writer
	tty  bool

	mu  sync.Mutex
	bar io.Writer // prints above the bar; nil: there is none
}

func (s *stream) redirect(bar io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bar = bar
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		// The terminal's echo of ^C moves the cursor, and the bar is cleared from
		// where the cursor is.
		if s.tty {
			_, _ = io.WriteString(s.file, "\r")
		}
		if n, err := s.bar.Write(b); err == nil {
			return n, nil
		}
	}
	return s.file.Write(b)
}
