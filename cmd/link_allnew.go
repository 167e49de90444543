package cmd

import (
	"context"
	"fmt"

	"advosync/internal/result"
)

// allNew is link --all-new: an operator says once that what is not linked in
// EspoCRM does not exist in Advoware yet. Without --apply it only lists them.
func (a *app) allNew(ctx context.Context, s session, l *linkFlags, out *result.Link) error {
	p := s.Parts()
	m := p.mapping(out.Entity)
	said := false
	out.AllNew = &said
	err := p.desk.Unlinked(ctx, m, func(id string) error {
		out.OnlyEspocrm = append(out.OnlyEspocrm, id)
		return nil
	})
	if err != nil || out.Run.DryRun {
		return err
	}
	if !l.yes {
		question := fmt.Sprintf("Does really none of %s that are not linked exist in Advoware?", count(len(out.OnlyEspocrm), "record", "records"))
		if err := a.confirm(ctx, question); err != nil {
			return err
		}
	}
	if err := p.engine.SayAllNew(ctx, m); err != nil {
		return err
	}
	said = true
	return nil
}
