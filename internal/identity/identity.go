// Package identity tells who asks: an API key or a JSON Web Token becomes an
// [offprint.Identity]. It knows nothing of reports.
//
// A credential comes as "Authorization: Bearer …", or, if it is an API key, as
// "X-API-Key: …".
package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/offprint/offprint"
)

// Config is how askers are known. The zero value knows nobody by a credential
// and takes everybody for the user local, which is safe on loopback only.
type Config struct {
	// Keys is the identity that an API key stands for, by the SHA-256 of the
	// key; Via is the key's name, and its user, key:NAME, where it stands for
	// nobody. Its error is NotFound or Unauthenticated for a key that is
	// unknown, has expired or was revoked.
	Keys func(ctx context.Context, hash []byte) (offprint.Identity, error)
	// JWT is nil where tokens are not accepted.
	JWT *JWT
	// Required refuses whoever comes without a credential. JWT implies it.
	Required bool
	Now      func() time.Time // default time.Now
}

// A Checker is safe for use by many goroutines.
type Checker struct {
	Config
	tokens *tokens
}

// New checks the configuration; nothing is fetched before it is needed.
func New(c Config) (*Checker, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	checker := &Checker{Config: c}
	if c.JWT == nil {
		return checker, nil
	}
	tokens, err := newTokens(*c.JWT, c.Now)
	if err != nil {
		return nil, err
	}
	checker.Required, checker.tokens = true, tokens
	return checker, nil
}

// Identify is who sent a request with these headers. A credential that is
// wrong is Unauthenticated, never taken for none.
func (c *Checker) Identify(ctx context.Context, h http.Header) (offprint.Identity, error) {
	credential, err := credentialIn(h)
	if err != nil {
		return offprint.Identity{}, err
	}
	switch {
	case credential == "" && c.Required:
		return offprint.Identity{}, unauthenticated("Send an API key or a token as Authorization: Bearer.")
	case credential == "":
		return offprint.Identity{User: "local"}, nil
	case strings.HasPrefix(credential, keyPrefix):
		return c.byKey(ctx, credential)
	case c.tokens == nil:
		return offprint.Identity{}, unauthenticated("This server accepts API keys only.")
	}
	return c.tokens.identify(ctx, credential)
}

func credentialIn(h http.Header) (string, error) {
	key, header := h.Get("X-API-Key"), h.Get("Authorization")
	if header == "" {
		if key != "" && !strings.HasPrefix(key, keyPrefix) {
			return "", unauthenticated("X-API-Key holds no API key.")
		}
		return key, nil
	}
	scheme, credential, _ := strings.Cut(header, " ")
	credential = strings.TrimSpace(credential)
	if !strings.EqualFold(scheme, "Bearer") || credential == "" || key != "" {
		return "", unauthenticated("Send one credential, as Authorization: Bearer.")
	}
	return credential, nil
}

func unauthenticated(detail string) *offprint.Error {
	return offprint.Errorf(offprint.Unauthenticated, "%s", detail)
}

// Impersonate is the scope of an API key that may ask on somebody's behalf.
const Impersonate = "impersonate"

// A Behalf is the somebody on whose behalf an API key asks.
type Behalf struct {
	User   string
	Tenant string
	Email  string
	Roles  []string
}

// OnBehalf is b, asked for by who, whose key needs the scope for it. A key of
// a tenant stays in its tenant.
func OnBehalf(who offprint.Identity, b Behalf) (offprint.Identity, error) {
	if !slices.Contains(who.Scopes, Impersonate) {
		return offprint.Identity{}, offprint.Errorf(offprint.Forbidden, "Asking on somebody's behalf takes an API key with the scope impersonate.")
	}
	if b.Tenant == "" {
		b.Tenant = who.Tenant
	}
	for _, text := range append([]string{b.User, b.Tenant, b.Email}, b.Roles...) {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return offprint.Identity{}, offprint.Errorf(offprint.Invalid, "A user, a tenant, an address and a role are texts on one line.")
		}
	}
	if who.Tenant != "" && who.Tenant != b.Tenant {
		return offprint.Identity{}, offprint.Errorf(offprint.Forbidden, "This API key asks for its own tenant only.")
	}
	return offprint.Identity{User: b.User, Tenant: b.Tenant, Email: b.Email, Roles: b.Roles, Key: who.Key, Via: who.Key.Name}, nil
}
