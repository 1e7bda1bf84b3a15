package slack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/sirupsen/logrus"
	slackgo "github.com/slack-go/slack"
	"golang.org/x/net/http/httpproxy"

	"fleet/schemas/chat"
)

// Options are what a backend needs besides the configuration.
type Options struct {
	// Token returns the value of a credential that the configuration names.
	Token func(credential string) (string, error)

	Log logrus.FieldLogger

	// Transport and Dial are another way to Slack than the host's own, through the proxies that HTTPS_PROXY, HTTP_PROXY
	// and NO_PROXY name: Transport that of the Web API, Dial that of socket mode.
	Transport http.RoundTripper
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a backend of a configuration whose backend is slack. It does not connect. Tokens are read here; an error
// names all that are missing or of another kind, and shows none.
func New(c *chat.Config, o Options) (*Backend, error) {
	b := &Backend{
		log: o.Log, server: c.Backend.Server, channels: map[string]string{}, keys: map[string]string{},
		agents: map[string]string{}, own: map[string]*client{}, sent: newRecent(4096), bots: map[string]string{},
		muted: map[string]bool{},
	}
	b.people.known = map[string]person{}
	b.places.known, b.places.ours = map[string]*place{}, b.ours
	errs := []error{b.readChannels(c)}
	n := newNetwork(c.Backend.API, o)
	read := reader{o.Token, &errs}
	b.network, b.fleet = n, n.client(
		c.Backend.Token, read.bot(c.Backend.Token), c.Backend.AppToken, read.app(c.Backend.AppToken),
	)
	for _, a := range c.Agents {
		b.agents[a.Key] = a.Title()
		if a.Token != "" {
			b.own[a.Key] = n.client(a.Token, read.bot(a.Token), a.AppToken, read.app(a.AppToken))
		}
	}
	return b, errors.Join(errs...)
}

var channelID = regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`)

// readChannels takes the channels that are at Slack; the others are only on this host.
func (b *Backend) readChannels(c *chat.Config) error {
	var errs []error
	for _, one := range c.Channels {
		if one.ID == "" {
			continue
		}
		if !channelID.MatchString(one.ID) {
			errs = append(errs, fmt.Errorf("coordination.channels.%s: %q is no channel's ID: "+
				"it stands at the end of the channel's details in Slack and begins with C or G", one.Key, one.ID))
		}
		b.channels[one.Key], b.keys[one.ID] = one.ID, one.Key
	}
	return errors.Join(errs...)
}

// reader reads tokens and keeps what is wrong with them.
type reader struct {
	token func(credential string) (string, error)
	errs  *[]error
}

func (r reader) bot(credential string) string {
	return r.read(credential, "xoxb-", "the Bot User OAuth Token from OAuth & Permissions")
}

func (r reader) app(credential string) string {
	if credential == "" {
		return ""
	}
	return r.read(credential, "xapp-", "an App-Level Token with connections:write from Basic Information")
}

func (r reader) read(credential, prefix, what string) string {
	token, err := r.token(credential)
	rest, ok := strings.CutPrefix(token, prefix)
	switch {
	case err != nil:
		err = fmt.Errorf("secret %s: %w", credential, err)
	case !ok || rest == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		err = fmt.Errorf("secret %s: must be %s in Slack's app page, which begins with %s; set it with: "+
			"sudo fleet secret set %s", credential, what, prefix, credential)
	default:
		return token
	}
	*r.errs = append(*r.errs, err)
	return ""
}

// network is the way to Slack.
type network struct {
	api       string // address of the Web API, with a / at its end
	transport http.RoundTripper
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	proxy     func(*http.Request) (*url.URL, error)
}

func newNetwork(api string, o Options) *network {
	n := &network{api: slackgo.APIURL, transport: o.Transport, dial: o.Dial}
	if api != "" {
		n.api = strings.TrimSuffix(api, "/") + "/"
	}
	env := httpproxy.FromEnvironment().ProxyFunc()
	proxy := func(r *http.Request) (*url.URL, error) { return env(r.URL) }
	if n.transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Proxy = proxy
		n.transport = t
	}
	if n.dial == nil {
		n.proxy = proxy
	}
	return n
}
