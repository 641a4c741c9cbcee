package source

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint/internal/yaml"
)

func openMySQL(c Config, zone *time.Location) (*mysqlServer, error) {
	u, err := url.Parse(c.URL)
	if err != nil { // the error would quote the URL
		return nil, c.wrong("the URL cannot be read. Write mysql://user:password@host:3306/database; in a password / ? # @ and % are written as %2F %3F %23 %40 %25.")
	}
	d := mysql.NewConfig()
	d.User, d.Net, d.Addr = u.User.Username(), "tcp", u.Host
	d.Passwd, _ = u.User.Password()
	d.DBName = strings.Trim(u.Path, "/")
	d.Logger = &mysql.NopLogger{} // errors are met once, at the edge
	d.Timeout = 10 * time.Second
	d.MaxAllowedPacket = 0 // the server's own
	d.ConnectionAttributes = "program_name:offprint"
	if err := d.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	if err := c.mysqlSettings(d, u); err != nil {
		return nil, err
	}
	if d.Addr == "" {
		return nil, c.wrong("the URL names no host. Write mysql://user:password@host:3306/database, or mysql://user@/database?socket=/run/mysqld/mysqld.sock.")
	}
	connector, err := mysql.NewConnector(d)
	if err != nil {
		return nil, c.wrong("the URL cannot be used: " + hidden(err.Error(), u) + ".")
	}
	return &mysqlServer{name: c.Name, connector: connector, zone: zone, slots: newSlots(c.MaxConnections)}, nil
}

// mysqlSettings reads what stands after ? in the URL.
func (c Config) mysqlSettings(d *mysql.Config, u *url.URL) error {
	settings, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return c.wrong("what follows ? in the URL cannot be read. Write tls=true, or socket=/run/mysqld/mysqld.sock.")
	}
	encryption, authority := "preferred", ""
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		switch value := settings.Get(name); name {
		case "socket":
			d.Net, d.Addr, encryption = "unix", value, "false"
		case "tls":
			encryption = value
		case "ssl-mode": // as the mysql program and hosting providers write it
			encryption = sslModes[strings.ToUpper(value)]
		case "tls_ca":
			authority = value
		default:
			if span(name, func(b byte) bool { return letter(b) || digit(b) || b == '-' }) < len(name) { // what follows a ? of the password
				return c.wrong("what follows ? in the URL is no setting. Write tls=true, or socket=/run/mysqld/mysqld.sock; a ? in a password is written as %3F.")
			}
			return c.wrong("the URL has no setting " + name + "." + yaml.DidYouMean(name, []string{"tls", "tls_ca", "socket"}))
		}
	}
	if authority != "" && encryption != "true" { // else nobody would look at it, and whoever wrote it believes that somebody does
		return c.wrong("tls_ca is to prove who the server is. Write tls=true with it, or ssl-mode=VERIFY_CA.")
	}
	return c.mysqlTLS(d, u.Hostname(), encryption, authority)
}

var sslModes = map[string]string{
	"DISABLED": "false", "PREFERRED": "preferred", "REQUIRED": "skip-verify", "VERIFY_CA": "true", "VERIFY_IDENTITY": "true",
}

func (c Config) mysqlTLS(d *mysql.Config, host, encryption, authority string) error {
	switch encryption {
	case "false":
		return nil
	case "true", "skip-verify":
	case "preferred":
		d.AllowFallbackToPlaintext = true
	default:
		return c.wrong("tls in the URL is true, skip-verify (encrypted, whoever answers), preferred or false.")
	}
	d.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: encryption != "true"}
	if authority == "" {
		return nil
	}
	certificates, err := os.ReadFile(authority)
	if err != nil {
		return c.wrong("tls_ca cannot be read: " + err.Error() + ".")
	}
	d.TLS.RootCAs = x509.NewCertPool()
	if !d.TLS.RootCAs.AppendCertsFromPEM(certificates) {
		return c.wrong("tls_ca holds no certificate. It is a file in PEM, which begins with -----BEGIN CERTIFICATE-----.")
	}
	return nil
}
