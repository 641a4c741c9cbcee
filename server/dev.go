package server

import (
	"bufio"
	"os"
	"strings"
	"time"

	"github.com/offprint/offprint/internal/web"
)

// pollEvery is how often the reports are looked at for changes.
func (c *Config) pollEvery() time.Duration {
	if c.Dev {
		return 250 * time.Millisecond
	}
	return 2 * time.Second
}

// problems are what is wrong in the reports now, for the page of whoever
// writes them.
func (s *Server) problems() []web.ReportProblem {
	var problems []web.ReportProblem
	for _, p := range s.folder.Problems() {
		quote := ""
		if s.config.ReportFiles == nil && p.Line > 0 {
			quote = lineOf(p.File, p.Line)
		}
		problems = append(problems, web.ReportProblem{File: p.File, Line: p.Line, Column: p.Column, Text: p.Text, Quote: quote})
	}
	return problems
}

// lineOf is one line of a file; empty, if it is not there any more.
func lineOf(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for range n {
		if !lines.Scan() {
			return ""
		}
	}
	return strings.TrimRight(lines.Text(), " \t\r")
}
