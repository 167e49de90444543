package cmd

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/store"
)

const (
	completionTime = 2 * time.Second // a shell must not hang
	completionMost = 50
	completionLook = 1000 // entries looked at
)

// completeIDs offers the records that were worked on last.
func (a *app) completeIDs(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	entity, _ := c.Flags().GetString("entity")
	return a.completeFromHistory(prefix, entity, func(e store.Entry) (string, string) { return e.RecordID, e.Entity + " " + e.Outcome })
}

// completeRuns offers the last runs.
func (a *app) completeRuns(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeFromHistory(prefix, "", func(e store.Entry) (string, string) {
		return e.Run, e.Command + " " + e.At.In(a.zone).Format("2006-01-02 15:04")
	})
}

// completeFromHistory offers nothing where the store cannot be read.
func (a *app) completeFromHistory(prefix, entity string, word func(store.Entry) (string, string)) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return nil, none
	}
	s, err := p.Open(ctx, openOptions{ReadOnly: true, StoreOnly: true, Command: "completion", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, none
	}
	defer func() { _ = s.Close() }()
	history := s.Parts().store
	if history == nil {
		return nil, none
	}
	var words []string
	seen := map[string]bool{}
	_ = history.Entries(ctx, store.HistoryFilter{Limit: completionLook}, func(e store.Entry) error {
		w, about := word(e)
		if w == "" || seen[w] || !strings.HasPrefix(w, prefix) || entity != "" && !strings.EqualFold(entity, e.Entity) || len(words) >= completionMost {
			return nil
		}
		seen[w] = true
		words = append(words, w+"\t"+about)
		return nil
	})
	return words, none
}
