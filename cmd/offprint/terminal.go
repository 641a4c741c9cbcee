package main

import (
	"fmt"
	"io"
	"os"
)

// A terminal is where a command speaks.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// isTerminal tells a screen from a file and a pipe.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A style is how something stands out on a screen.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// styled answers how to make text stand out on w: not at all where that is no
// screen, or where nobody wants colors (https://no-color.org).
func styled(w io.Writer) func(style, string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return func(_ style, text string) string { return text }
	}
	return func(s style, text string) string {
		if text == "" {
			return ""
		}
		return "\x1b[" + string(s) + "m" + text + "\x1b[m"
	}
}

// counted is "no problems", "1 problem" or "1,204 problems".
func counted(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", grouped(int64(n)), what)
}
