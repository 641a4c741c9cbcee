package source

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

const (
	shortestSecret = 32 // bytes: what HS256 needs
	tokenLife      = 5 * time.Minute
)

// A signer says who asks, so that the service can trust it: a JWT by HS256,
// of which docs/http.md tells how to verify it.
type signer struct {
	secret   []byte
	audience string
}

// claims are what a token says.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"` // the source's name in the configuration
	User     string   `json:"sub"`
	Tenant   string   `json:"tenant,omitempty"`
	Email    string   `json:"email,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Run      string   `json:"run,omitempty"`
	Report   string   `json:"report"`
	Zone     string   `json:"zoneinfo"`
	Locale   string   `json:"locale,omitempty"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	ID       string   `json:"jti"`
}

func (s *signer) token(req offprint.Request, file string, now time.Time) (string, error) {
	body, err := json.Marshal(claims{
		Issuer: "offprint", Audience: s.audience,
		User: req.Who.User, Tenant: req.Who.Tenant, Email: req.Who.Email, Roles: req.Who.Roles,
		Run: req.Run, Report: strings.TrimSuffix(path.Base(file), ".sql"), Zone: zoneOf(req).String(), Locale: req.Locale,
		Issued: now.Unix(), Expires: now.Add(tokenLife).Unix(), ID: rand.Text(),
	})
	if err != nil {
		return "", err
	}
	url := base64.RawURLEncoding
	signed := url.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + url.EncodeToString(body)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(signed))
	return signed + "." + url.EncodeToString(mac.Sum(nil)), nil
}
