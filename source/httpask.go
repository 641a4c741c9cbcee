package source

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/internet"
)

// A serviceError is what a service answered instead of rows, or that it did
// not answer.
type serviceError struct {
	code  offprint.Code
	text  string // for whoever wrote the report; empty: there is nothing to mend in it
	again bool   // asking at once may help
	after time.Duration
	cause error
}

func (e *serviceError) Error() string {
	switch {
	case e.cause == nil:
		return e.text
	case e.text == "":
		return e.cause.Error()
	}
	return e.text + " " + e.cause.Error()
}

func (e *serviceError) Unwrap() error { return e.cause }

var errLeaves = &serviceError{code: offprint.BadQuery, text: "What falls away leaves a path that begins with // or holds . or .. between slashes. It stays below the URL of the source."}

// How often a service is asked before the first row, and how long we wait in
// between, at most. A longer outage is the desk's to wait for.
const (
	mostTries    = 3
	longestPause = 10 * time.Second
)

func (r *serviceReading) query(st *statement, said []column) (*answer, error) {
	for try := 1; ; try++ {
		a, err := r.ask(st, said)
		pause, again := tryAgain(err, try)
		if !again {
			return a, err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-r.ctx.Done():
			wait.Stop()
			return nil, r.ctx.Err()
		}
	}
}

func tryAgain(err error, try int) (time.Duration, bool) {
	var e *serviceError
	if !errors.As(err, &e) || !e.again || try == mostTries || e.after > longestPause {
		return 0, false
	}
	return max(e.after, time.Duration(try)*250*time.Millisecond), true
}

// ask sends one request and reads up to the first row.
func (r *serviceReading) ask(st *statement, said []column) (*answer, error) {
	request, err := r.request(st)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, unreached(err)
	}
	body, err := r.body(response)
	if err != nil {
		response.Body.Close()
		return nil, err
	}
	r.close = func() {
		body.Close()
		response.Body.Close()
	}
	a, err := r.rows(response, body, said)
	if err != nil {
		r.finish()
		return nil, err
	}
	return a, nil
}

func (r *serviceReading) request(st *statement) (*http.Request, error) {
	c, err := st.call()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(r.ctx, c.method, r.address(c), strings.NewReader(c.body))
	if err != nil || request.URL.Host != r.base.Host {
		return nil, errLeaves
	}
	request.Header = r.headers.Clone()
	request.Header.Set("Accept", accepted)
	if c.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept-Encoding", "zstd, gzip")
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "offprint")
	}
	if r.signer != nil {
		token, err := r.signer.token(r.req, st.query.file, time.Now())
		if err != nil {
			return nil, fmt.Errorf("sign the request: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

func (h *service) address(c call) string { return strings.TrimSuffix(h.base.String(), "/") + c.target }

// unreached is what came of a request that was not answered. The error of
// net/http shows the whole address with the parameters in it, which belong to
// whoever asked.
func unreached(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	if errors.Is(err, internet.ErrPrivate) {
		return &serviceError{
			code: offprint.PermissionDenied, cause: err,
			text: "The address of the service is not one of the public internet. If it is meant to be, write allow_private: true for the source in the configuration.",
		}
	}
	return cutOff(err)
}

// cutOff is what a broken connection means.
func cutOff(err error) error {
	return &serviceError{code: offprint.SourceUnavailable, cause: err, again: true}
}

// body is the answer's, once its status is known to be good, without what it
// was packed in.
func (r *serviceReading) body(response *http.Response) (io.ReadCloser, error) {
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		return nil, refusal(response)
	}
	switch packed := strings.ToLower(strings.TrimSpace(response.Header.Get("Content-Encoding"))); packed {
	case "", "identity":
		return io.NopCloser(response.Body), nil
	case "gzip", "x-gzip":
		body, err := gzip.NewReader(response.Body)
		if err != nil {
			return nil, cutOff(err)
		}
		return body, nil
	case "zstd":
		body, err := zstd.NewReader(response.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, cutOff(err)
		}
		return body.IOReadCloser(), nil
	default:
		return nil, misanswered("It is packed with %s, which was not asked for.", clipped([]byte(packed)))
	}
}

// misanswered is an answer that no rows can be made of, in words that whoever
// asked may read, for they can tell whoever can mend it.
func misanswered(format string, args ...any) error {
	err := offprint.Errorf(offprint.BadQuery, format, args...)
	err.Title = "The source gave an answer that cannot be used"
	err.Detail += " Nothing was made. Whoever wrote the report, or runs the source, must mend it."
	return err
}

// refusal is what a status means that is not 200. What the service says with
// it may hold anything, and is for the log.
func refusal(response *http.Response) error {
	status := response.StatusCode
	begin, _ := io.ReadAll(io.LimitReader(response.Body, mostSaid)) // as much as can be had
	e := &serviceError{cause: fmt.Errorf("it answered %d with %q", status, unsaid(string(begin), response.Request.Header))}
	switch {
	case status == 401, status == 403, status == 407:
		e.code = offprint.PermissionDenied
	case status == 408, status == 429, status >= 500:
		e.code = offprint.SourceUnavailable
		e.again = status == 408 || status == 429 || status >= 502 && status <= 504
		e.after = retryAfter(response.Header.Get("Retry-After"), time.Now())
	case status >= 300 && status < 400:
		e.code, e.text = offprint.BadQuery, "The service sends us elsewhere, where we do not follow: it may be anybody's. Set the URL of the source to where it leads."
	default:
		e.code, e.text = offprint.BadQuery, fmt.Sprintf("The service refuses the request with the status %d.", status)
	}
	return e
}

// mostSaid is how much of an error answer is read, and a log shows mostLogged.
const mostSaid, mostLogged = 8 << 10, 1000

// shortestKey is the least that could be a secret; less is a version or a word.
const shortestKey = 8

// unsaid is what a log may hold of an answer: the beginning, without what we
// sent to prove who we are. Pages for those who look for mistakes repeat it.
func unsaid(text string, sent http.Header) string {
	for name, values := range sent {
		if slices.Contains(ours, name) || name == "Content-Type" || name == "User-Agent" {
			continue
		}
		for _, value := range values {
			_, secret, _ := strings.Cut(value, " ") // Bearer, Basic
			for _, s := range []string{value, secret} {
				if len(s) >= shortestKey {
					text = strings.ReplaceAll(text, s, "…")
				}
			}
		}
	}
	return strings.ToValidUTF8(text[:min(len(text), mostLogged)], "\uFFFD")
}

// retryAfter reads seconds, or a time.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// rows reads the answer as what it says it is.
func (r *serviceReading) rows(response *http.Response, body io.Reader, said []column) (*answer, error) {
	t := newServiceTable(said, r.zone)
	if response.StatusCode == http.StatusNoContent {
		return t.answer(func(*serviceTable) (bool, error) { return false, nil }, r.finish)
	}
	kind, details, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if charset := strings.ToLower(details["charset"]); err == nil && charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return nil, misanswered("It is in %s; answer in UTF-8.", clipped([]byte(charset)))
	}
	f := &feed{body: body, buf: make([]byte, 64<<10)}
	closes := response.ContentLength < 0 && len(response.TransferEncoding) == 0 && response.Header.Get("Content-Encoding") == ""
	switch kind {
	case "application/json":
		a := &arrayReader{feed: f}
		return t.answer(a.row, r.finish)
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines", "application/x-jsonlines":
		if closes {
			return nil, errEndless
		}
		l := &lineReader{feed: f}
		return t.answer(l.row, r.finish)
	case "text/csv", "application/csv":
		if closes {
			return nil, errEndless
		}
		if strings.EqualFold(details["header"], "absent") {
			return nil, misanswered("It is CSV without the row that names the columns.")
		}
		c := &csvReader{feed: f}
		return t.answer(c.row, r.finish)
	}
	return nil, misanswered("It is %s where NDJSON (application/x-ndjson), a JSON array (application/json) or CSV (text/csv) was asked for.", clipped([]byte(kind)))
}

const accepted = "application/x-ndjson, text/csv;q=0.9, application/json;q=0.8"

var errEndless = misanswered("It says neither how long it is nor when it ends (Content-Length, or Transfer-Encoding: chunked), so that half of it would look like all of it.")
