package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/offprint/offprint"
)

const (
	keysFresh   = time.Hour        // after that they are fetched again
	keysStale   = 24 * time.Hour   // so long they serve while their server does not answer
	keysPause   = 10 * time.Second // at least, between two fetches: unknown key ids are free to invent
	keysTimeout = 5 * time.Second
	keysMost    = 1 << 20 // bytes
)

// A keySet holds the public keys at an address, fetched when they are first
// needed and when a token names one that is not there. Old ones serve on while
// they are fetched again aside, so that no known key ever waits for its server.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	fetching chan struct{} // holds a token while nobody fetches

	sync.RWMutex
	keys    []jose.JSONWebKey
	fetched time.Time // successfully
	tried   time.Time
}

func newKeySet(url string, now func() time.Time) *keySet {
	s := &keySet{url: url, client: &http.Client{Timeout: keysTimeout, CheckRedirect: onlySafe}, now: now, fetching: make(chan struct{}, 1)}
	s.fetching <- struct{}{}
	return s
}

// trustworthy tells whether keys from an address can be believed: whoever can
// change them on their way can sign whatever they like.
func trustworthy(address *url.URL) bool {
	ip, err := netip.ParseAddr(address.Hostname())
	here := err == nil && ip.IsLoopback() || address.Hostname() == "localhost"
	return address.Host != "" && (address.Scheme == "https" || address.Scheme == "http" && here)
}

func onlySafe(req *http.Request, via []*http.Request) error {
	if !trustworthy(req.URL) || len(via) >= 5 {
		return errors.New("the keys of the tokens were moved to where they cannot be believed")
	}
	return nil
}

// find are the keys of that id, or all of them for a token that names none.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	keys, due := s.known(id)
	if !due {
		return s.seen(keys, errPause)
	}
	if len(keys) > 0 {
		s.refresh(ctx, id)
		return keys, nil
	}
	select {
	case <-s.fetching:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.fetching <- struct{}{} }()
	if keys, due = s.known(id); !due { // somebody else has just fetched them
		return s.seen(keys, errPause)
	}
	err := s.fetch(ctx)
	keys, _ = s.known(id)
	return s.seen(keys, err)
}

// refresh fetches the keys aside, unless somebody does already. Nobody waits
// for it: it ends by itself within keysTimeout. If it fails it is tried again,
// and whoever comes when the old keys have become too old is told why.
func (s *keySet) refresh(ctx context.Context, id string) {
	select {
	case <-s.fetching:
	default:
		return
	}
	go func() {
		defer func() { s.fetching <- struct{}{} }()
		if _, due := s.known(id); due {
			s.fetch(ctx)
		}
	}()
}

var errPause = errors.New("the keys of the tokens could not be fetched just now")

// seen tells a key that does not exist, which is the asker's matter, from keys
// that could not be had, which is not.
func (s *keySet) seen(keys []jose.JSONWebKey, err error) ([]jose.JSONWebKey, error) {
	s.RLock()
	defer s.RUnlock()
	if err == nil || len(keys) > 0 || !s.fetched.IsZero() && s.fetched.Equal(s.tried) {
		return keys, nil
	}
	return nil, offprint.Errorf(offprint.Busy, "Whoever signs the tokens did not answer. Try again in a moment.").Because(err)
}

// known are the keys at hand, and whether they ought to be fetched first.
func (s *keySet) known(id string) (keys []jose.JSONWebKey, due bool) {
	s.RLock()
	defer s.RUnlock()
	now := s.now()
	if now.Sub(s.fetched) < keysStale {
		for _, key := range s.keys {
			if id == "" || key.KeyID == id {
				keys = append(keys, key)
			}
		}
	}
	wanted := len(keys) == 0 || now.Sub(s.fetched) >= keysFresh
	return keys, wanted && now.Sub(s.tried) >= keysPause
}

func (s *keySet) fetch(ctx context.Context) error {
	set, err := s.download(context.WithoutCancel(ctx)) // others wait for it too
	s.Lock()
	defer s.Unlock()
	s.tried = s.now()
	if err != nil {
		return fmt.Errorf("fetch the keys of the tokens: %w", err)
	}
	s.keys, s.fetched = set, s.tried
	return nil
}

func (s *keySet) download(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", s.url, res.Status)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.NewDecoder(io.LimitReader(res.Body, keysMost)).Decode(&set); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.url, err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() && key.Valid() { // a kind that we do not know must not hide the others
			keys = append(keys, key)
		}
	}
	return keys, nil
}
