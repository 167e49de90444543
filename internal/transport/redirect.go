package transport

import (
	"fmt"
	"net/http"
	"net/url"
)

const maxRedirects = 5

// redirectError is a redirect that was not followed.
type redirectError struct{ to string }

func (e *redirectError) Error() string { return "redirects to " + e.to }

// follow is followSameOrigin, for which every redirect is one more call.
func (c *Client) follow(req *http.Request, via []*http.Request) error {
	if err := followSameOrigin(req, via); err != nil {
		return err
	}
	return c.budget.take(req.Context(), Call{Method: req.Method})
}

// followSameOrigin lets a GET follow redirects within its scheme, host and
// port. A write never follows one: the answer is handed up as it is.
func followSameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if !sameOrigin(req.URL, first.URL) {
		return &redirectError{to: origin(req.URL)}
	}
	if len(via) > maxRedirects {
		return &redirectError{to: fmt.Sprintf("itself, more than %d times", maxRedirects)}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// origin is a URL without path, query and user: fit for a message.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
