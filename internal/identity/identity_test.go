package identity_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/identity"
)

var appKey = offprint.Key{ID: "key_app", Name: "app"}

func TestAPIKeys(t *testing.T) {
	key, shown := identity.NewKey()
	if other, _ := identity.NewKey(); other == key || !strings.HasPrefix(key, shown) || !strings.HasPrefix(key, "opk_") || len(shown) > 12 {
		t.Fatalf("key %q, shown as %q", key, shown)
	}
	app := offprint.Identity{User: "app", Tenant: "acme", Scopes: []string{identity.Impersonate}, Key: appKey}
	broken := errors.New("no database")
	keys := func(_ context.Context, hash []byte) (offprint.Identity, error) {
		switch {
		case bytes.Equal(hash, identity.Hash(key)):
			return app, nil
		case bytes.Equal(hash, identity.Hash("opk_broken")):
			return offprint.Identity{}, broken
		case bytes.Equal(hash, identity.Hash("opk_nightly")):
			return offprint.Identity{Key: offprint.Key{ID: "key_1", Name: "nightly"}}, nil
		}
		return offprint.Identity{}, offprint.Errorf(offprint.NotFound, "No such key.")
	}
	for _, tt := range []struct {
		promise  string
		required bool
		headers  map[string]string
		user     string
		code     offprint.Code
	}{
		{"nobody on loopback is local", false, nil, "local", ""},
		{"nobody, where one must sign in", true, nil, "", offprint.Unauthenticated},
		{"a key as a bearer token", true, map[string]string{"Authorization": "Bearer " + key}, "app", ""},
		{"a key in its own header", true, map[string]string{"X-API-Key": key}, "app", ""},
		{"a key that stands for nobody", true, map[string]string{"X-API-Key": "opk_nightly"}, "key:nightly", ""},
		{"also on loopback", false, map[string]string{"Authorization": "bearer " + key}, "app", ""},
		{"a wrong key is not nobody", false, map[string]string{"Authorization": "Bearer opk_wrong"}, "", offprint.Unauthenticated},
		{"no key at all", false, map[string]string{"X-API-Key": "secret"}, "", offprint.Unauthenticated},
		{"a password", true, map[string]string{"Authorization": "Basic YTpi"}, "", offprint.Unauthenticated},
		{"two credentials", true, map[string]string{"Authorization": "Bearer " + key, "X-API-Key": key}, "", offprint.Unauthenticated},
		{"a token where none is accepted", true, map[string]string{"Authorization": "Bearer a.b.c"}, "", offprint.Unauthenticated},
		{"a ledger that does not answer is our fault", true, map[string]string{"Authorization": "Bearer opk_broken"}, "", offprint.Internal},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			c := checker(t, identity.Config{Keys: keys, Required: tt.required})
			h := make(http.Header)
			for name, value := range tt.headers {
				h.Set(name, value)
			}
			who, err := c.Identify(t.Context(), h)
			if who.User != tt.user || offprint.CodeOf(err) != tt.code {
				t.Errorf("%+v, %v; want %q, %q", who, err, tt.user, tt.code)
			}
		})
	}
}

func TestOnBehalf(t *testing.T) {
	for _, tt := range []struct {
		promise string
		who     offprint.Identity
		behalf  identity.Behalf
		want    offprint.Identity
		code    offprint.Code
	}{
		{
			"a key with the scope",
			offprint.Identity{User: "app", Key: appKey, Scopes: []string{"impersonate"}},
			identity.Behalf{User: "bob", Tenant: "acme", Roles: []string{"sales"}},
			offprint.Identity{User: "bob", Tenant: "acme", Roles: []string{"sales"}, Key: appKey, Via: "app"},
			"",
		},
		{
			"a key of a tenant gives it",
			offprint.Identity{User: "app", Tenant: "acme", Key: appKey, Scopes: []string{"impersonate"}},
			identity.Behalf{User: "bob"},
			offprint.Identity{User: "bob", Tenant: "acme", Key: appKey, Via: "app"},
			"",
		},
		{
			"a key of another tenant",
			offprint.Identity{User: "app", Tenant: "acme", Key: appKey, Scopes: []string{"impersonate"}},
			identity.Behalf{User: "bob", Tenant: "evil"},
			offprint.Identity{},
			offprint.Forbidden,
		},
		{"a key without the scope", offprint.Identity{User: "app", Key: appKey}, identity.Behalf{User: "bob"}, offprint.Identity{}, offprint.Forbidden},
		{"a user on two lines", offprint.Identity{User: "app", Scopes: []string{"impersonate"}}, identity.Behalf{User: "bob\x00"}, offprint.Identity{}, offprint.Invalid},
		{"no key", offprint.Identity{User: "local"}, identity.Behalf{User: "bob"}, offprint.Identity{}, offprint.Forbidden},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			got, err := identity.OnBehalf(tt.who, tt.behalf)
			if !reflect.DeepEqual(got, tt.want) || offprint.CodeOf(err) != tt.code {
				t.Errorf("%+v, %v; want %+v, %q", got, err, tt.want, tt.code)
			}
		})
	}
}

func checker(t *testing.T, c identity.Config) *identity.Checker {
	t.Helper()
	made, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// An issuer signs tokens and serves its keys.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey // private
	fetched atomic.Int32
	down    atomic.Bool
	hang    chan struct{} // requests wait for its end
}

// until waits until the keys were fetched so many times.
func (i *issuer) until(t *testing.T, n int32) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); i.fetched.Load() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d fetches, want %d", i.fetched.Load(), n)
		}
	}
}

func newIssuer(t *testing.T) *issuer {
	i := new(issuer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.fetched.Add(1)
		if i.hang != nil {
			<-i.hang
		}
		if i.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		set := []any{map[string]string{"kty": "XYZ", "kid": "of a kind nobody knows"}}
		for _, key := range i.keys {
			set = append(set, key.Public())
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"keys": set}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) add(t *testing.T, id string, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	t.Helper()
	var private crypto.PrivateKey
	var err error
	switch alg {
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: id, Algorithm: string(alg), Use: "sig"}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
	return key
}

// A clock stands still until it is told to go on.
type clock struct{ passed atomic.Int64 }

func newClock() *clock                { return new(clock) }
func (c *clock) Now() time.Time       { return now.Add(time.Duration(c.passed.Load())) }
func (c *clock) pass(d time.Duration) { c.passed.Add(int64(d)) }

type claims map[string]any

// sign makes a token for ann that is right but for what is changed.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, changed claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	all := claims{"sub": "ann", "iss": "app", "aud": "offprint", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
	for name, value := range changed {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	token, err := jwt.Signed(signer).Claims(map[string]any(all)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func identify(t *testing.T, c *identity.Checker, token string) (offprint.Identity, error) {
	t.Helper()
	return c.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + token}})
}

func TestTokensOfASharedSecret(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	c := checker(t, identity.Config{Now: func() time.Time { return now }, JWT: &identity.JWT{
		Secret: secret, Issuer: "app", Audience: "offprint", Claims: identity.Claims{Roles: "realm_access.roles", Tenant: "https://example.com/tenant"},
	}})
	if !c.Required {
		t.Error("tokens are accepted, and nobody has to send one")
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	who, err := identify(t, c, sign(t, jose.HS256, secret, claims{
		"email": "ann@acme.example", "https://example.com/tenant": "acme", "realm_access": map[string]any{"roles": []string{"sales", "board"}}, "db_role": "reader", "level": 3,
	}))
	want := offprint.Identity{User: "ann", Tenant: "acme", Email: "ann@acme.example", Roles: []string{"sales", "board"}, Claims: map[string]string{"db_role": "reader"}}
	if err != nil || !reflect.DeepEqual(who, want) {
		t.Fatalf("%+v, %v; want %+v", who, err, want)
	}
	for _, tt := range []struct {
		promise string
		token   string
	}{
		{"expired beyond the leeway", sign(t, jose.HS256, secret, claims{"exp": now.Add(-61 * time.Second).Unix()})},
		{"without an end", sign(t, jose.HS256, secret, claims{"exp": nil})},
		{"not yet valid", sign(t, jose.HS256, secret, claims{"nbf": now.Add(2 * time.Minute).Unix()})},
		{"of the future", sign(t, jose.HS256, secret, claims{"iat": now.Add(2 * time.Minute).Unix()})},
		{"of another issuer", sign(t, jose.HS256, secret, claims{"iss": "evil"})},
		{"for somebody else", sign(t, jose.HS256, secret, claims{"aud": "shop"})},
		{"of nobody", sign(t, jose.HS256, secret, claims{"sub": nil})},
		{"of another secret", sign(t, jose.HS256, []byte("another secret, and long enough too"), nil)},
		{"of a stronger algorithm", sign(t, jose.HS512, append(secret, secret...), nil)},
		{"of a public key", sign(t, jose.RS256, rsaKey, nil)},
		{"of no algorithm", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ."},
		{"cut", sign(t, jose.HS256, secret, nil)[:60]},
		{"no token", "abc"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			if who, err := identify(t, c, tt.token); offprint.CodeOf(err) != offprint.Unauthenticated {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
	for _, changed := range []claims{{"exp": now.Add(-59 * time.Second).Unix()}, {"nbf": now.Add(59 * time.Second).Unix()}, {"aud": []string{"shop", "offprint"}}} {
		if who, err := identify(t, c, sign(t, jose.HS256, secret, changed)); err != nil || who.User != "ann" {
			t.Errorf("%v: %+v, %v", changed, who, err)
		}
	}
}

func TestNumbersThatMeanSomebodyStayExact(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	c := checker(t, identity.Config{Now: func() time.Time { return now }, JWT: &identity.JWT{Secret: secret}})
	for _, tt := range []struct {
		promise string
		changed claims
		user    string
		tenant  string
		code    offprint.Code
	}{
		{"a tenant above 2^53", claims{"tenant": json.RawMessage("9007199254740993")}, "ann", "9007199254740993", ""},
		{"a user above 2^64", claims{"sub": json.RawMessage("36893488147419103233")}, "36893488147419103233", "", ""},
		{"a tenant that is null", claims{"tenant": json.RawMessage("null")}, "ann", "", ""},
		{"a fraction", claims{"tenant": json.RawMessage("1.5")}, "", "", offprint.Unauthenticated},
		{"one number written another way", claims{"tenant": json.RawMessage("1e3")}, "", "", offprint.Unauthenticated},
		{"minus nothing", claims{"tenant": json.RawMessage("-0")}, "", "", offprint.Unauthenticated},
		{"a list", claims{"tenant": []string{"acme"}}, "", "", offprint.Unauthenticated},
		{"yes", claims{"tenant": true}, "", "", offprint.Unauthenticated},
		{"a text on two lines", claims{"tenant": "a\nb"}, "", "", offprint.Unauthenticated},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			who, err := identify(t, c, sign(t, jose.HS256, secret, tt.changed))
			if who.User != tt.user || who.Tenant != tt.tenant || offprint.CodeOf(err) != tt.code {
				t.Errorf("%+v, %v; want %q of %q, %q", who, err, tt.user, tt.tenant, tt.code)
			}
		})
	}
}

// TestAHangingKeyServerDelaysNobodyKnown tells of keys that are due again while
// their server takes requests and never answers.
func TestAHangingKeyServerDelaysNobodyKnown(t *testing.T) {
	i := newIssuer(t)
	key := i.add(t, "first", jose.ES256)
	clock := newClock()
	c := checker(t, identity.Config{Now: clock.Now, JWT: &identity.JWT{JWKS: i.URL}})
	token := sign(t, jose.ES256, key, claims{"exp": now.Add(48 * time.Hour).Unix()})
	if _, err := identify(t, c, token); err != nil {
		t.Fatal(err)
	}
	i.hang = make(chan struct{})
	clock.pass(2 * time.Hour)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the server's own time is 5 s
			defer cancel()
			if who, err := c.Identify(ctx, http.Header{"Authorization": {"Bearer " + token}}); err != nil || ctx.Err() != nil {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
	all.Wait()
	i.until(t, 2)
	next := i.add(t, "next", jose.ES256)
	close(i.hang)
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) { // the answer that hung holds the new key
		_, err := identify(t, c, sign(t, jose.ES256, next, claims{"exp": now.Add(48 * time.Hour).Unix()}))
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the new key: %v", err)
		}
	}
	if n := i.fetched.Load(); n != 2 {
		t.Errorf("%d fetches for fifty tokens, want 1 besides the first", n)
	}
}

func TestTokensOfPublicKeys(t *testing.T) {
	i := newIssuer(t)
	clock := newClock()
	c := checker(t, identity.Config{Now: clock.Now, JWT: &identity.JWT{JWKS: i.URL, Issuer: "app"}})
	i.down.Store(true)
	first := i.add(t, "first", jose.RS256)
	if _, err := identify(t, c, sign(t, jose.RS256, first, nil)); offprint.CodeOf(err) != offprint.Busy {
		t.Errorf("while the issuer is down: %v", err)
	}
	if _, err := identify(t, c, sign(t, jose.RS256, first, nil)); offprint.CodeOf(err) != offprint.Busy || i.fetched.Load() != 1 {
		t.Errorf("and again at once: %v after %d fetches", err, i.fetched.Load())
	}
	i.down.Store(false)
	clock.pass(11 * time.Second)
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA} {
		i.add(t, string(alg), alg)
	}
	i.mu.Lock()
	keys := append([]jose.JSONWebKey(nil), i.keys...)
	i.mu.Unlock()
	var all sync.WaitGroup
	for _, key := range keys {
		token := sign(t, jose.SignatureAlgorithm(key.Algorithm), key, nil)
		for range 10 {
			all.Go(func() {
				if who, err := c.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + token}}); err != nil || who.User != "ann" {
					t.Errorf("%s: %+v, %v", key.Algorithm, who, err)
				}
			})
		}
	}
	all.Wait()
	if n := i.fetched.Load(); n != 2 {
		t.Errorf("%d fetches for three keys and thirty tokens, want 2 in all", n)
	}

	next := i.add(t, "next", jose.RS256) // the issuer has changed its key
	if _, err := identify(t, c, sign(t, jose.RS256, next, nil)); offprint.CodeOf(err) != offprint.Unauthenticated || i.fetched.Load() != 2 {
		t.Errorf("an unknown key right after a fetch: %v, %d fetches", err, i.fetched.Load())
	}
	clock.pass(11 * time.Second)
	if _, err := identify(t, c, sign(t, jose.RS256, next, nil)); err != nil || i.fetched.Load() != 3 {
		t.Errorf("the new key: %v, %d fetches", err, i.fetched.Load())
	}
	i.down.Store(true)
	for _, tt := range []struct {
		since time.Duration
		code  offprint.Code
	}{{2 * time.Hour, ""}, {25 * time.Hour, offprint.Busy}} {
		clock.pass(tt.since)
		if _, err := identify(t, c, sign(t, jose.RS256, first, claims{"exp": now.Add(48 * time.Hour).Unix()})); offprint.CodeOf(err) != tt.code {
			t.Errorf("known keys, %v after the issuer went down: %v, want %q", tt.since, err, tt.code)
		}
		clock.pass(-tt.since)
	}

	i.down.Store(false)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(first.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		promise string
		token   string
	}{
		{"a stranger's key under a known name", sign(t, jose.RS256, jose.JSONWebKey{Key: stranger, KeyID: "first"}, nil)},
		{"a stranger's key without a name", sign(t, jose.RS256, stranger, nil)},
		{"another algorithm than the key's own", sign(t, jose.PS256, jose.JSONWebKey{Key: first.Key, KeyID: "first"}, nil)},
		{"the public key taken for a secret", sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "first"}, nil)},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			if who, err := identify(t, c, tt.token); offprint.CodeOf(err) != offprint.Unauthenticated {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
	if who, err := identify(t, c, sign(t, jose.RS256, first.Key, nil)); err != nil || who.User != "ann" {
		t.Errorf("a token that names no key: %+v, %v", who, err)
	}
}

func TestWrongConfigurationsSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		jwt  identity.JWT
		says string
	}{
		{identity.JWT{}, "either secret or jwks_url"},
		{identity.JWT{Secret: make([]byte, 32), JWKS: "https://app.example.com/jwks.json"}, "not both"},
		{identity.JWT{Secret: []byte("short")}, "32 bytes"},
		{identity.JWT{JWKS: "app.example.com"}, "https://"},
		{identity.JWT{JWKS: "http://app.example.com/jwks.json"}, "https://"},
		{identity.JWT{JWKS: "http://localhost.example.com/jwks.json"}, "https://"},
	} {
		_, err := identity.New(identity.Config{JWT: &tt.jwt})
		if offprint.CodeOf(err) != offprint.NotConfigured || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want one that says %q", err, tt.says)
		}
	}
}
