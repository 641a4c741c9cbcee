package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/yaml"
)

// ReadConfig reads the file, then the OFFPRINT_… variables of the environment,
// which win: OFFPRINT_SOURCES__SHOP__URL is url of shop of sources. Any text
// may be {env: NAME} or {file: PATH}; paths are relative to the file. The error
// lists everything that is wrong. An empty path is no file.
func ReadConfig(path string, environ []string) (Config, error) {
	r := &reading{dir: filepath.Dir(path), env: make(map[string]string)}
	r.Problems = &r.problems
	c := Config{Listen: "127.0.0.1:8080", Workers: 4, Sources: make(map[string]SourceConfig)}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		r.env[name] = value
	}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("read the configuration: %w", err)
		}
		r.File = path
		r.Document(string(text), "The configuration", r.keys(&c))
	}
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		if strings.HasPrefix(name, prefix) && r.env[name] != "" {
			r.variable(&c, name, r.env[name])
		}
	}
	if r.problems != nil {
		return c, r.problems.InOrder()
	}
	if path != "" {
		c.relativeTo(filepath.Dir(path))
	}
	return c, nil
}

const prefix = "OFFPRINT_"

// reading is a configuration on its way from text.
type reading struct {
	yaml.Reader
	problems yaml.Problems
	dir      string
	env      map[string]string
}

// variable reads NAME__KEY=value as the document {name: {key: value}}.
func (r *reading) variable(c *Config, name, value string) {
	quoted, err := json.Marshal(value) // a JSON string is a YAML one
	if err != nil {
		return
	}
	text := string(quoted)
	steps := strings.Split(strings.ToLower(strings.TrimPrefix(name, prefix)), "__")
	for i := len(steps) - 1; i >= 0; i-- {
		if text = strconv.Quote(steps[i]) + ": " + text; i > 0 {
			text = "{" + text + "}"
		}
	}
	before := len(r.problems)
	r.File = name
	r.Document(text, "The configuration", r.keys(c))
	for i := range r.problems[before:] {
		r.problems[before+i].Line = 0 // a variable has no lines
	}
}

// keys are all that a configuration may say.
func (r *reading) keys(c *Config) yaml.Keys {
	return yaml.Keys{
		"listen":          r.text(&c.Listen),
		"base_url":        r.text(&c.BaseURL),
		"database":        r.text(&c.Database),
		"schema":          r.text(&c.Schema),
		"listen_url":      r.text(&c.ListenURL),
		"files":           r.text(&c.Files),
		"disk_reserve":    r.size(&c.DiskReserve),
		"downloads":       r.text(&c.Downloads),
		"links":           r.text(&c.Links),
		"webhooks":        r.webhooks(&c.Webhooks),
		"reports":         r.text(&c.Reports),
		"sources":         r.sources(c.Sources),
		"workers":         r.count(&c.Workers),
		"secrets":         r.secrets(&c.Secrets),
		"auth":            r.auth(&c.Auth),
		"mail":            r.mail(&c.Mail),
		"origins":         r.texts(&c.Origins),
		"trusted_proxies": r.texts(&c.TrustedProxies),
		"metrics_listen":  r.text(&c.MetricsListen),
		"retention":       r.Duration(&c.Retention),
		"keep_records":    r.Duration(&c.KeepRecords),
		"drain":           r.Duration(&c.Drain),
		"stall":           r.Duration(&c.Stall),
		"max_attempts":    r.count(&c.MaxAttempts),
		"give_up":         r.Duration(&c.GiveUp),
		"limits": func(e yaml.Entry) {
			r.Object(e, "limits", yaml.Keys{
				"queued_per_user": r.count(&c.Limits.QueuedPerUser),
				"queued":          r.count(&c.Limits.Queued),
				"rows":            r.Whole(&c.Limits.Rows),
				"file_bytes":      r.size(&c.Limits.FileBytes),
			})
		},
	}
}

func (r *reading) sources(to map[string]SourceConfig) func(yaml.Entry) {
	return func(e yaml.Entry) {
		for _, source := range r.Entries(e, "sources") {
			s := to[source.Key]
			r.Object(source, "source "+source.Key, yaml.Keys{
				"url":               r.text(&s.URL),
				"max_connections":   r.count(&s.MaxConnections),
				"max_runs":          r.count(&s.MaxRuns),
				"first_row_timeout": r.Duration(&s.FirstRowTimeout),
				"timeout":           r.Duration(&s.Timeout),
				"time_zone":         r.zone(&s.TimeZone),
				"secret":            r.text(&s.Secret),
				"headers":           r.headers(&s.Headers),
				"allow_private":     r.Yes(&s.AllowPrivate),
			})
			to[source.Key] = s
		}
	}
}

// headers are texts by their names, whatever these are.
func (r *reading) headers(to *map[string]string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		all := make(map[string]string)
		maps.Copy(all, *to)
		for _, header := range r.Entries(e, "headers") {
			if text, ok := r.value(header); ok {
				all[header.Key] = text
			}
		}
		*to = all
	}
}

func (r *reading) auth(a *Auth) func(yaml.Entry) {
	return func(e yaml.Entry) {
		r.Object(e, "auth", yaml.Keys{
			"required": r.Yes(&a.Required),
			"jwt": func(e yaml.Entry) {
				if a.JWT == nil {
					a.JWT = new(identity.JWT)
				}
				var secret string
				r.Object(e, "jwt", yaml.Keys{
					"jwks_url": r.text(&a.JWT.JWKS),
					"secret":   r.text(&secret),
					"issuer":   r.text(&a.JWT.Issuer),
					"audience": r.text(&a.JWT.Audience),
					"claims": func(e yaml.Entry) {
						r.Object(e, "claims", yaml.Keys{
							"user": r.text(&a.JWT.Claims.User), "tenant": r.text(&a.JWT.Claims.Tenant),
							"email": r.text(&a.JWT.Claims.Email), "roles": r.text(&a.JWT.Claims.Roles),
						})
					},
				})
				if secret != "" {
					a.JWT.Secret = []byte(secret)
				}
			},
		})
	}
}

func (r *reading) mail(m **Mail) func(yaml.Entry) {
	return func(e yaml.Entry) {
		if *m == nil {
			*m = new(Mail)
		}
		r.Object(e, "mail", yaml.Keys{
			"url": r.text(&(*m).URL), "from": r.text(&(*m).From), "allow": r.texts(&(*m).Allow), "templates": r.text(&(*m).Templates),
		})
	}
}

// text is a text, {env: NAME} or {file: PATH}.
func (r *reading) text(to *string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		if text, ok := r.value(e); ok {
			*to = text
		}
	}
}

func (r *reading) value(e yaml.Entry) (string, bool) {
	switch e.Value.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return r.elsewhere(e)
	}
	return r.Scalar(e)
}

// elsewhere reads what stands in a variable or a file; only what went wrong is
// ever said of it.
func (r *reading) elsewhere(e yaml.Entry) (text string, ok bool) {
	r.Object(e, e.Key, yaml.Keys{
		"env": func(inner yaml.Entry) {
			name, _ := r.Scalar(inner)
			if text, ok = r.env[name]; !ok {
				r.Wrong(inner.At, "%s: the variable %s is not set.", e.Key, name)
			}
		},
		"file": func(inner yaml.Entry) {
			name, _ := r.Scalar(inner)
			if !filepath.IsAbs(name) {
				name = filepath.Join(r.dir, name)
			}
			b, err := os.ReadFile(name)
			if err != nil {
				r.Wrong(inner.At, "%s: the file %s cannot be read.", e.Key, name)
				return
			}
			text, ok = strings.TrimRight(string(b), "\r\n"), true
		},
	})
	return text, ok
}

// texts is a list; in a variable its items are parted by commas.
func (r *reading) texts(to *[]string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		*to = nil
		for _, item := range r.Items(e) {
			text, ok := r.value(item)
			if !ok {
				continue
			}
			if !strings.HasPrefix(r.File, prefix) {
				*to = append(*to, text)
				continue
			}
			for part := range strings.SplitSeq(text, ",") {
				*to = append(*to, strings.TrimSpace(part))
			}
		}
	}
}

func (r *reading) secrets(to *[][]byte) func(yaml.Entry) {
	return func(e yaml.Entry) {
		var texts []string
		r.texts(&texts)(e)
		*to = nil
		for _, text := range texts {
			*to = append(*to, []byte(text))
		}
	}
}

func (r *reading) count(to *int) func(yaml.Entry) {
	return func(e yaml.Entry) {
		text, ok := r.value(e)
		if !ok {
			return
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			r.Wrong(r.Place(e), "%s is a whole number, 0 or more.", e.Key)
			return
		}
		*to = n
	}
}

func (r *reading) zone(to *string) func(yaml.Entry) {
	return func(e yaml.Entry) {
		text, ok := r.value(e)
		if !ok {
			return
		}
		if _, err := time.LoadLocation(text); err != nil {
			r.Wrong(r.Place(e), "%s is an IANA time zone, as in Europe/Berlin.", e.Key)
			return
		}
		*to = text
	}
}

// size is 500MB, 10GiB or a number of bytes.
func (r *reading) size(to *int64) func(yaml.Entry) {
	units := []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"", 1}}
	return func(e yaml.Entry) {
		text, ok := r.value(e)
		if !ok {
			return
		}
		for _, u := range units {
			number, found := strings.CutSuffix(text, u.name)
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
			if found && err == nil && n > 0 {
				*to = n * u.bytes
				return
			}
		}
		r.Wrong(r.Place(e), "%s is a size, as in 500MB or 10GiB.", e.Key)
	}
}

// relativeTo makes the paths of a file relative to it.
func (c *Config) relativeTo(dir string) {
	c.Database = pathIn(dir, "sqlite:", c.Database, "data/offprint.db")
	c.Files = pathIn(dir, "dir:", c.Files, "data/files")
	c.Reports = pathIn(dir, "", c.Reports, "reports")
	if c.Mail != nil && c.Mail.Templates != "" {
		c.Mail.Templates = pathIn(dir, "", c.Mail.Templates, "")
	}
	for name, s := range c.Sources {
		s.URL = pathIn(dir, "sqlite:", s.URL, "")
		c.Sources[name] = s
	}
}

func pathIn(dir, scheme, text, otherwise string) string {
	if text == "" {
		text = scheme + otherwise
	}
	path, found := strings.CutPrefix(text, scheme)
	if !found || path == "" || filepath.IsAbs(path) {
		return text
	}
	return scheme + filepath.Join(dir, path)
}
