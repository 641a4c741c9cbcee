package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses a claim that stands twice
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/offprint/offprint"
)

// JWT is how JSON Web Tokens are checked: with a Secret (HS256) or with the
// public keys at JWKS (RSA, ECDSA, Ed25519). A token must say when it expires.
type JWT struct {
	Secret   []byte
	JWKS     string // https://…/jwks.json; http:// only on this machine
	Issuer   string // empty: not checked
	Audience string // empty: not checked
	Claims   Claims
}

// Claims name the claims that make an identity. A name is looked up as it is,
// then as a path: realm_access.roles. Zero fields are user: sub, tenant:
// tenant, email: email, roles: roles.
type Claims struct{ User, Tenant, Email, Roles string }

const leeway = time.Minute

var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

type tokens struct {
	JWT
	now  func() time.Time
	algs []jose.SignatureAlgorithm
	keys *keySet // nil: the secret
}

func newTokens(j JWT, now func() time.Time) (*tokens, error) {
	t := &tokens{JWT: j, now: now, algs: []jose.SignatureAlgorithm{jose.HS256}}
	for _, d := range []struct {
		claim *string
		is    string
	}{{&t.Claims.User, "sub"}, {&t.Claims.Tenant, "tenant"}, {&t.Claims.Email, "email"}, {&t.Claims.Roles, "roles"}} {
		if *d.claim == "" {
			*d.claim = d.is
		}
	}
	switch {
	case (len(j.Secret) == 0) == (j.JWKS == ""):
		return nil, offprint.Errorf(offprint.NotConfigured, "auth.jwt needs either secret or jwks_url, and not both.")
	case j.JWKS == "" && len(j.Secret) < 32:
		return nil, offprint.Errorf(offprint.NotConfigured, "auth.jwt.secret is too short for HS256: give it 32 bytes at least.")
	case j.JWKS == "":
		return t, nil
	}
	address, err := url.Parse(j.JWKS)
	if err != nil || !trustworthy(address) {
		return nil, offprint.Errorf(offprint.NotConfigured, "auth.jwt.jwks_url is no safe address. Write it as https://app.example.com/jwks.json; http:// will do on this machine only.")
	}
	t.algs, t.keys = asymmetric, newKeySet(j.JWKS, now)
	return t, nil
}

func (t *tokens) identify(ctx context.Context, raw string) (offprint.Identity, error) {
	wrong := func(because error) (offprint.Identity, error) {
		return offprint.Identity{}, unauthenticated("This token is not valid here. Get a fresh one and try again.").Because(because)
	}
	token, err := jwt.ParseSigned(raw, t.algs)
	if err != nil {
		return wrong(err)
	}
	var of validity
	var claims claimSet
	err = t.verify(ctx, token, &of, &claims)
	if offprint.CodeOf(err) == offprint.Busy {
		return offprint.Identity{}, err
	}
	if err != nil {
		return wrong(err)
	}
	expected := jwt.Expected{Issuer: t.Issuer, Time: t.now()}
	if t.Audience != "" {
		expected.AnyAudience = jwt.Audience{t.Audience}
	}
	registered := jwt.Claims{Issuer: of.Issuer, Audience: of.Audience, Expiry: of.Expiry, NotBefore: of.NotBefore, IssuedAt: of.IssuedAt}
	if err := registered.ValidateWithLeeway(expected, leeway); err != nil {
		return wrong(err)
	}
	if of.Expiry == nil {
		return wrong(errors.New("the token does not say when it expires"))
	}
	who, err := t.identity(claims)
	if err != nil {
		return wrong(err)
	}
	return who, nil
}

// A validity is what a token says of itself. Not sub, which some issuers write
// as a number although it should be a text.
type validity struct {
	Issuer    string           `json:"iss"`
	Audience  jwt.Audience     `json:"aud"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// verify tries the keys that the token may be signed with.
func (t *tokens) verify(ctx context.Context, token *jwt.JSONWebToken, into ...any) error {
	if t.keys == nil {
		return token.Claims(t.Secret, into...)
	}
	header := token.Headers[0]
	keys, err := t.keys.find(ctx, header.KeyID)
	if err != nil {
		return err
	}
	err = errors.New("no key for this token")
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		if err = token.Claims(key.Key, into...); err == nil { // go-jose holds the algorithm against the key's type
			return nil
		}
	}
	return err
}

// notClaims say something of the token, not of its bearer.
var notClaims = []string{"iss", "aud", "jti", "typ", "azp", "nonce", "sid", "at_hash"}

func (t *tokens) identity(claims claimSet) (who offprint.Identity, err error) {
	who.Roles = rolesOf(lookup(claims, t.Claims.Roles))
	for _, d := range []struct {
		name string
		into *string
	}{{t.Claims.User, &who.User}, {t.Claims.Tenant, &who.Tenant}, {t.Claims.Email, &who.Email}} {
		if *d.into, err = textOf(claims, d.name); err != nil {
			return who, err
		}
	}
	if who.User == "" {
		return who, fmt.Errorf("the token has no claim %s", t.Claims.User)
	}
	mapped := append([]string{t.Claims.User, t.Claims.Tenant, t.Claims.Email, t.Claims.Roles}, notClaims...)
	for name, v := range claims {
		text, ok := v.(string)
		if !ok || slices.Contains(mapped, name) {
			continue
		}
		if who.Claims == nil {
			who.Claims = make(map[string]string)
		}
		who.Claims[name] = text
	}
	return who, nil
}

// A claimSet is all that a token says. Its numbers keep their written text: a
// tenant above 2^53 must not become its neighbor.
type claimSet map[string]any

func (c *claimSet) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.SetNumberType(json.UnmarshalJSONNumber)
	return d.Decode((*map[string]any)(c))
}

func lookup(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	head, tail, dotted := strings.Cut(name, ".")
	if inner, ok := claims[head].(map[string]any); ok && dotted {
		return lookup(inner, tail)
	}
	return nil
}

// textOf also takes a whole number: some issuers' users and tenants are. Of
// anything else nobody can say whom it means.
func textOf(claims claimSet, name string) (string, error) {
	switch v := lookup(claims, name).(type) {
	case nil:
		return "", nil
	case string:
		if !strings.ContainsFunc(v, unicode.IsControl) {
			return v, nil
		}
	case json.Number:
		if whole.MatchString(v.String()) {
			return v.String(), nil
		}
	}
	return "", fmt.Errorf("the claim %s is neither a text on one line nor a whole number", name)
}

var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// rolesOf takes a list, or one text with spaces or commas between.
func rolesOf(v any) (roles []string) {
	switch v := v.(type) {
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		for _, role := range v {
			if role, ok := role.(string); ok {
				roles = append(roles, role)
			}
		}
	}
	return roles
}
