package alert

import (
	"context"
	"errors"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// shout is a target that shoutrrr knows: mail, Teams, Matrix, Slack, ntfy, a webhook.
type shout struct {
	name, address string
	sender        once[*router.ServiceRouter]
}

// Shout is the target with this shoutrrr address. The address is looked at when the
// first message is sent: it may hold secrets, and no error shows it.
func Shout(address string) Target { return &shout{name: nameOf(address), address: address} }

// Check says whether an address is one that messages can be sent to.
func Check(address string) error {
	if _, err := shoutrrr.CreateSender(address); err != nil {
		return errAddress
	}
	return nil
}

var (
	errAddress = errors.New("the address is none that shoutrrr knows")
	errRefused = errors.New("the alert was not taken")
)

func (s *shout) Name() string { return s.name }

// Send implements Target. shoutrrr cannot be interrupted: whoever waits goes on when
// ctx ends.
func (s *shout) Send(ctx context.Context, title, body string) error {
	s.sender.Do(func() { s.sender.value, s.sender.err = shoutrrr.CreateSender(s.address) })
	if s.sender.err != nil {
		return errAddress
	}
	done := make(chan error, 1)
	go func() {
		params := types.Params{types.TitleKey: title}
		done <- errors.Join(s.sender.value.Send(body, &params)...)
	}()
	select {
	case err := <-done:
		if err != nil {
			return errRefused // its words may hold the address
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
