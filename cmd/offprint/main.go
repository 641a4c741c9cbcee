// Command offprint makes reports off the request path.
//
//	offprint demo                 a sample shop, nothing else needed
//	offprint serve                web and workers, from offprint.yaml
//	offprint run orders -o FILE   a report here and now
//
// Exit codes: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // so that zones are the same on every machine

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// commands are what the program can do, each in a file of its name.
type commands struct {
	Demo    demoCommand    `cmd:"" help:"Serve a sample shop with sample reports. Needs nothing else."`
	Serve   serveCommand   `cmd:"" help:"Serve the API and the page, and make reports."`
	Worker  workerCommand  `cmd:"" help:"Make reports only."`
	Run     runCommand     `cmd:"" help:"Make a report here and now, into a file."`
	SQL     sqlCommand     `cmd:"" name:"sql" help:"Print the query of a report, ready to paste."`
	Check   checkCommand   `cmd:"" help:"Find every mistake in configuration and reports."`
	Test    testCommand    `cmd:"" help:"Make the cases beside the reports and compare them with what is expected."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of a report's header, or of the cases beside it."`
	Init    initCommand    `cmd:"" help:"Write a configuration and a first report."`
	Sweep   sweepCommand   `cmd:"" help:"Clear the store of what nobody will ask for, now, and list what it does not know."`
	Migrate migrateCommand `cmd:"" help:"Bring the database up to date, and do nothing else."`
	Key     keyCommand     `cmd:"" help:"Make, list and revoke API keys."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

const (
	done   = 0
	failed = 1
	usage  = 2
)

// run is main without the process around it.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	var cli commands
	code := -1
	parser, err := kong.New(&cli, kong.Name("offprint"), kong.Description("Reports off the request path."), kong.Writers(out, errs), kong.UsageOnError(),
		kong.Exit(func(c int) { code = c }))
	if err != nil {
		fmt.Fprintln(errs, "offprint:", err)
		return failed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	call, err := parser.Parse(args)
	if code >= 0 { // --help has spoken
		return code
	}
	if err != nil {
		fmt.Fprintf(errs, "offprint: %s. See offprint --help.\n", strings.TrimRight(err.Error(), ".?"))
		return usage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	call.BindTo(ctx, (*context.Context)(nil))
	switch err := call.Run(&terminal{in, out, errs}); {
	case errors.Is(err, errTold):
		return failed
	case errors.Is(err, errUsage):
		fmt.Fprintln(errs, "offprint:", err)
		return usage
	case err != nil:
		fmt.Fprintln(errs, "offprint:", forPeople(err))
		return failed
	}
	return done
}

// errUsage is what a command answers when it was called the wrong way.
var errUsage = errors.New("wrong usage")

// errTold is of a command that has said already what is wrong.
var errTold = errors.New("told already")

type versionCommand struct{}

func (versionCommand) Run(t *terminal) error {
	_, err := fmt.Fprintln(t.out, "offprint", version())
	return err
}

// version is the module's, or the commit's.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return "(devel) " + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
