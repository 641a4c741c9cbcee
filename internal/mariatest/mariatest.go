// Package mariatest gives tests a private MariaDB: one server for a test
// binary, on a Unix socket in a folder of its own, one database for a test.
//
//	defer mariatest.Stop()                            // in TestMain
//	func TestSomething(t *testing.T) { url := mariatest.URL(t) … }
//
// The server starts with the first URL asked for. It knows the time zones
// named in Zones, offers TLS, and has the users root and test, who may do
// everything. The machine needs MariaDB's programs (Debian: mariadb-server)
// and the zones (Debian: tzdata).
package mariatest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint/internal/daemon"
)

// one server a test binary: the state of Stop, which alone may end it.
var one struct {
	sync.Mutex
	server *Server
	err    error
	made   int
}

// Stop ends the server behind URL, if one was started.
func Stop() {
	one.Lock()
	defer one.Unlock()
	if one.server != nil {
		one.server.Stop()
		one.server = nil
	}
}

// URL is a fresh, empty database. A machine without MariaDB fails the test.
func URL(t testing.TB) string {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	if one.server == nil && one.err == nil {
		one.server, one.err = Start(context.WithoutCancel(t.Context()))
	}
	if one.err != nil {
		t.Fatalf("start MariaDB: %v", one.err)
	}
	one.made++
	name := "t" + strconv.Itoa(one.made)
	if err := one.server.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	return one.server.URL(name)
}

// A Server is a running MariaDB of our own.
type Server struct{ *daemon.Daemon }

// Start makes a server for a test that ends it by itself.
func Start(ctx context.Context) (*Server, error) {
	d, err := daemon.New("offprint-maria", syscall.SIGKILL, "mysql", "nobody")
	if err != nil {
		return nil, err
	}
	s := &Server{d}
	if err := s.make(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.Dir))
	}
	return s, nil
}

func (s *Server) make(ctx context.Context) error {
	if err := s.certify(); err != nil {
		return err
	}
	install := s.program("mariadb-install-db", "--no-defaults", "--datadir="+s.Dir+"/data", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db (Debian: apt-get install mariadb-server): %w\n%s", err, out)
	}
	if err := s.Run(ctx); err != nil {
		return err
	}
	err := s.exec(ctx, "CREATE USER test@localhost", "GRANT ALL ON *.* TO test@localhost WITH GRANT OPTION")
	if err == nil {
		err = s.loadZones()
	}
	if err != nil {
		s.Halt(syscall.SIGKILL)
	}
	return err
}

// program is one of MariaDB's; Debian keeps the server's out of ordinary
// users' PATH.
func (s *Server) program(name string, args ...string) *exec.Cmd {
	if _, err := exec.LookPath(name); err != nil {
		name = filepath.Join("/usr/sbin", name)
	}
	return s.Command(name, args...)
}

// Run starts the server's process, also again after Halt, and waits until it
// answers.
func (s *Server) Run(ctx context.Context) error {
	err := s.Daemon.Run(s.program("mariadbd", "--no-defaults", "--datadir="+s.Dir+"/data", "--socket="+s.socket(), "--pid-file="+s.Dir+"/pid", "--skip-networking",
		"--ssl-cert="+s.Dir+"/cert.pem", "--ssl-key="+s.Dir+"/key.pem",
		"--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--max-connections=200", "--character-set-server=latin1"))
	if err != nil {
		return err
	}
	return s.ready(ctx)
}

func (s *Server) ready(ctx context.Context) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.Ended():
			err = errors.Join(err, errors.New("it has ended"))
		default:
			if time.Now().Before(end) {
				continue
			}
		}
		log, unread := s.Log()
		s.Halt(syscall.SIGKILL)
		return errors.Join(fmt.Errorf("%w\n%s", err, log), unread)
	}
}

// Zones are the time zones that the server knows by name, beside offsets:
// all of them would take a minute to load.
var Zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"}

func (s *Server) loadZones() error {
	var all bytes.Buffer
	for _, zone := range Zones {
		load := s.program("mariadb-tzinfo-to-sql", "/usr/share/zoneinfo/"+zone, zone)
		load.Stdout = &all
		if err := load.Run(); err != nil {
			return fmt.Errorf("mariadb-tzinfo-to-sql %s (Debian: apt-get install tzdata): %w", zone, err)
		}
	}
	client := s.program("mariadb", "--no-defaults", "--user=root", "--socket="+s.socket(), "mysql")
	client.Stdin = &all
	if out, err := client.CombinedOutput(); err != nil {
		return fmt.Errorf("load time zones: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) socket() string { return s.Dir + "/socket" }

// URL is the address of a database of this server.
func (s *Server) URL(database string) string {
	return "mysql://test@/" + database + "?socket=" + s.socket()
}

// Open connects to a database of a server of ours, as root.
func Open(socket, database string) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName, c.Logger = "root", "unix", socket, database, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func (s *Server) exec(ctx context.Context, statements ...string) error {
	db, err := Open(s.socket(), "")
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err = db.ExecContext(ctx, statement); err != nil {
			break
		}
	}
	return errors.Join(err, db.Close())
}

// Stop ends the process and deletes the data. Halt keeps them: by SIGTERM it is
// a shutdown, by SIGKILL a crash.
func (s *Server) Stop() { s.Daemon.Stop(syscall.SIGKILL) }
