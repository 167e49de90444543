package console

import (
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// The modes of --progress.
const (
	ProgressAuto   = "auto" // on a terminal
	ProgressAlways = "always"
	ProgressNever  = "never"
)

// Progress is a bar on stderr: done of total, rate, what came of the records,
// time left. A nil Progress shows nothing, so callers need not ask.
type Progress struct {
	pool *mpb.Progress
	bar  *mpb.Bar
	tail func() string
}

// NewProgress begins a bar, or returns nil where none is wanted: auto shows it
// on a terminal only, so that a cron mail holds no bars. tail is asked for the
// text behind the bar at every refresh; it must be short and safe for
// concurrent use.
func (c *Console) NewProgress(mode string, tail func() string) *Progress {
	if mode == ProgressNever || mode != ProgressAlways && !c.ErrFacts.Terminal {
		return nil
	}
	opts := []mpb.ContainerOption{mpb.WithOutput(c.Err), mpb.WithWidth(c.ErrFacts.Width), mpb.WithRefreshRate(150 * time.Millisecond)}
	if mode == ProgressAlways {
		opts = append(opts, mpb.WithAutoRefresh()) // also into a pipe
	}
	p := &Progress{pool: mpb.New(opts...), tail: tail}
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]")
	if c.ErrFacts.UTF8 {
		style = mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound("")
	}
	p.bar = p.pool.New(0, style, mpb.BarWidth(max(8, c.ErrFacts.Width/5)), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(p.counts)),
		mpb.AppendDecorators(
			decor.OnComplete(decor.AverageSpeed(0, " %.0f/s"), ""),
			decor.Any(func(decor.Statistics) string { return fit(" "+tail(), c.ErrFacts.Width) }),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_MMSS, decor.WC{W: 6}), "")))
	return p
}

func (p *Progress) counts(s decor.Statistics) string {
	if s.Total <= 0 {
		return fmt.Sprintf("%d ", s.Current)
	}
	return fmt.Sprintf("%d/%d ", s.Current, s.Total)
}

// fit leaves room for bar and counts on one line.
func fit(s string, width int) string {
	most := max(10, width-width/5-34)
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// Total says how many there will be, once that is known.
func (p *Progress) Total(n int) {
	if p != nil {
		p.bar.SetTotal(int64(n), false)
	}
}

// Step counts one as done.
func (p *Progress) Step() {
	if p != nil {
		p.bar.Increment()
	}
}

// Done takes the bar away; what follows on stderr starts on a clean line.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.bar.Abort(true)
	p.pool.Wait()
}
