// Package daemon keeps a server that a test starts for itself: in a folder of
// its own, as an ordinary user, and never longer than the test's program runs.
package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// A Daemon is a folder and the server's process in it, if it runs.
type Daemon struct {
	Dir  string
	attr *syscall.SysProcAttr
	done chan struct{} // closed when the starting thread has seen it end
	quit chan syscall.Signal
}

// New makes the folder. Of root's daemons it is the first of the users that
// this machine has, for database servers refuse to run as root. With the
// program that started it the server ends by the signal.
func New(pattern string, crash syscall.Signal, users ...string) (*Daemon, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return nil, err
	}
	d := &Daemon{Dir: dir, attr: &syscall.SysProcAttr{Pdeathsig: crash}}
	if os.Getuid() != 0 {
		return d, nil
	}
	if err := d.belong(users); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return d, nil
}

func (d *Daemon) belong(users []string) error {
	var errs []error
	for _, name := range users {
		u, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, errU := strconv.Atoi(u.Uid)
		gid, errG := strconv.Atoi(u.Gid)
		d.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return errors.Join(errU, errG, os.Chown(d.Dir, uid, gid))
	}
	return errors.Join(errs...)
}

// Command is a program to be run in the folder, as its user and with nothing
// of our environment.
func (d *Daemon) Command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr, cmd.Dir = d.attr, d.Dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC", "TMPDIR=" + d.Dir}
	return cmd
}

// Run starts the server, also again after Halt. It may not answer yet.
func (d *Daemon) Run(cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(d.Dir, "log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	d.done, d.quit = make(chan struct{}), make(chan syscall.Signal, 1)
	started := make(chan error)
	go d.attend(cmd, log, started)
	return <-started
}

// attend starts cmd and stays with it on one thread: Pdeathsig fires when the
// thread that started the process ends, not the program.
func (d *Daemon) attend(cmd *exec.Cmd, log *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.done)
	defer log.Close()
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); err != nil {
			fmt.Fprintln(log, "ended:", err)
		}
	}()
	select {
	case <-ended:
	case how := <-d.quit:
		if err := cmd.Process.Signal(how); err != nil {
			fmt.Fprintln(log, "signal:", err)
		}
		<-ended
	}
}

// Ended is closed once the process has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.done }

// Log is what the server has said.
func (d *Daemon) Log() ([]byte, error) { return os.ReadFile(filepath.Join(d.Dir, "log")) }

// Halt ends the process by a signal and keeps the folder.
func (d *Daemon) Halt(how syscall.Signal) {
	select {
	case d.quit <- how:
	case <-d.done:
	}
	<-d.done
}

// Stop ends the process by a signal and deletes the folder.
func (d *Daemon) Stop(how syscall.Signal) {
	d.Halt(how)
	if err := os.RemoveAll(d.Dir); err != nil {
		fmt.Fprintln(os.Stderr, "daemon:", err)
	}
}
