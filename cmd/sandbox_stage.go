package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/sandbox"
)

// sandboxOffices are what the offices of a sandbox are called.
var sandboxOffices = [...]string{"berlin", "hamburg", "muenchen", "koeln", "leipzig", "bremen", "dresden", "hannover", "kiel"}

// sandboxStage is what a sandbox plays: both systems, or those of several offices.
type sandboxStage struct {
	names  []string // of the offices; none: there is one world, and it has no name
	worlds []*sandbox.World
	kept   bool // it goes on where it was left
}

// file is where a file of a world lies in the sandbox's directory.
func (st *sandboxStage) file(i int, name string) string {
	if len(st.names) == 0 {
		return name
	}
	return path.Join(st.names[i], name)
}

// first is the first office; "": there is none.
func (st *sandboxStage) first() string {
	if len(st.names) == 0 {
		return ""
	}
	return st.names[0]
}

func (st *sandboxStage) config(dir string) string {
	if len(st.names) == 0 {
		return st.worlds[0].Config(dir, "entities/*.yaml")
	}
	return sandbox.OfficesConfig(dir, st.names, st.worlds, "entities/*.yaml")
}

// ports are those of the only world, or of all offices.
func (st *sandboxStage) ports() (espo, advo int, offices []sandboxPorts) {
	if len(st.names) == 0 {
		return portOf(st.worlds[0].EspoURL), portOf(st.worlds[0].AdvoURL), nil
	}
	for _, w := range st.worlds {
		offices = append(offices, sandboxPorts{portOf(w.EspoURL), portOf(w.AdvoURL)})
	}
	return 0, 0, offices
}

// keep writes everything as it is now.
func (st *sandboxStage) keep(d *sandboxDir) {
	for i, w := range st.worlds {
		d.keep(w, st.file(i, sandboxState))
	}
}

// newStage makes the worlds of a directory, which remembers how many offices it has, with
// what an earlier start has left, unless that is to be forgotten.
func newStage(o sandboxOptions, dir *sandboxDir, played played) (*sandboxStage, error) {
	n := len(dir.mark.Offices)
	if used := n > 0 || dir.mark.EspoCRM > 0; !used {
		n = o.Offices
	} else if o.Offices > 0 && o.Offices != n {
		return nil, &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem,
			Message: fmt.Sprintf("%s holds a sandbox of %s", dir.path, count(max(n, 1), "office", "offices")), Hint: "leave --offices out, or name another directory: --dir"}
	}
	st := &sandboxStage{names: sandboxOffices[:n]}
	for i := range max(n, 1) {
		opts := sandbox.WorldOptions{Seed: o.Seed + uint64(i), Companion: o.Companion}
		if played.mapping != nil {
			opts.Play(played.all()...)
		}
		if o.Latency > 0 {
			pace := func(*http.Request, int) time.Duration { return o.Latency }
			opts.EspoCRM.Pace, opts.Advoware.Pace = pace, pace
		}
		w := sandbox.NewWorld(opts)
		st.worlds = append(st.worlds, w)
		if o.Fresh {
			continue
		}
		kept, err := dir.restore(w, st.file(i, sandboxState))
		if err != nil {
			return nil, err
		}
		st.kept = st.kept || kept
	}
	return st, nil
}

// start has both systems of each office listen.
func (st *sandboxStage) start(ctx context.Context, o sandboxOptions, dir *sandboxDir) error {
	listen := func(port int) string { return net.JoinHostPort(o.Listen, strconv.Itoa(port)) }
	for i, w := range st.worlds {
		w.OnChange(func() { dir.keep(w, st.file(i, sandboxState)) })
		espo, advo := o.ports(dir.mark, i)
		if err := w.Start(ctx, listen(espo), listen(advo)); err != nil {
			return sandboxFault(err, "another --port, or --port 0 for free ones")
		}
	}
	return nil
}

// introduceOffices says how to use a sandbox of several offices.
func (st *sandboxStage) introduceOffices(out io.Writer, file string, troubles bool) {
	for i, w := range st.worlds {
		fmt.Fprintf(out, "%-9s EspoCRM %s, Advoware %s\n", st.names[i], w.EspoURL, w.AdvoURL)
	}
	goesOn := ""
	if st.kept {
		goesOn = "\n          goes on where it was left; --fresh begins anew"
	}
	id, number := "ID", "N"
	last := len(st.worlds) - 1
	for _, r := range st.worlds[last].EspoCRM.Records(sandboxType) {
		if r[record.FieldAdvowareID] != nil {
			id, number = fmt.Sprint(r["id"]), fmt.Sprint(r[record.FieldAdvowareID])
			break
		}
	}
	begin := `  advosync status
  advosync check --office ` + st.names[last]
	if troubles {
		begin = `  advosync status
  advosync resolve
  advosync resolve --office ` + st.names[0]
	}
	fmt.Fprintf(out, `config    %[1]s%[2]s

In a second terminal:
  export ADVOSYNC_CONFIG=%[1]s
%[3]s

A pass over all; then somebody in %[4]s edits a record on both sides, and another pass:
  advosync cron-run
  curl -s %[5]s/_sandbox/edit -d '{"id":"%[7]s","values":{"email":"neu@example.de"}}'
  curl -s %[6]s/_sandbox/edit -d '{"id":%[8]s,"values":{"telGesch":"0511 1"}}'
  advosync diff --office %[4]s
  advosync cron-run

EspoCRM of %[4]s is down, and comes back:
  curl -s %[5]s/_sandbox/fault -d '{"name":"down","status":503}'
  advosync cron-run
  advosync status
  curl -s -X DELETE %[5]s/_sandbox/fault

Ctrl-C stops all.
`, file, goesOn, begin, st.names[last], st.worlds[last].EspoURL, st.worlds[last].AdvoURL, id, number)
}
