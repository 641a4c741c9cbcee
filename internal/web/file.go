package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

type passAnswer struct {
	Body struct {
		URL     string `json:"url" doc:"A plain GET that a browser can follow without a header."`
		Expires int    `json:"expires_in" doc:"Seconds in which a download can begin or resume."`
	}
}

// pass makes an address for one file and one person.
func (s *Site) pass(ctx context.Context, who offprint.Identity, in *RunPath) (*passAnswer, error) {
	token, err := s.Desk.Pass(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	a := new(passAnswer)
	a.Body.URL = s.absolute(s.path("/v1/runs/"+in.ID+"/file")) + "?t=" + url.QueryEscape(token)
	a.Body.Expires = int(desk.PassTime / time.Second)
	return a, nil
}

// file hands a run's file out, whole or in parts.
func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	who, err := s.fetcher(r)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	fetched, err := s.Desk.Fetch(r.Context(), who, r.PathValue("id"))
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	away, err := s.sendAway(w, r, fetched, who)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	if !away {
		s.handOut(w, r, fetched, who, nil)
	}
}

// sendAway sends a download to the store, where it goes there. What asks about
// our ETags is answered here, and so is a HEAD: the store has signed a GET.
func (s *Site) sendAway(w http.ResponseWriter, r *http.Request, fetched *desk.Fetched, who offprint.Identity) (away bool, err error) {
	if r.Method != http.MethodGet || r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "" {
		return false, nil
	}
	address, err := fetched.AtStore(r.Context(), who, s.from(r))
	if err != nil || address == "" {
		return false, err
	}
	h := w.Header()
	h.Set("Location", address)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}

// handOut answers with a file, whole or in a part, and records it. Once still
// is an error, which is asked every now and then, the transfer is broken off;
// nil: it never is.
func (s *Site) handOut(w http.ResponseWriter, r *http.Request, fetched *desk.Fetched, who offprint.Identity, still func(context.Context) error) {
	f := fetched.Run.File
	content := &seeker{ctx: r.Context(), fetched: fetched, size: f.Bytes}
	defer content.close()
	h := w.Header()
	h.Set("Content-Type", f.MediaType)
	h.Set("Content-Disposition", offprint.Attachment(f.Name))
	h.Set("ETag", `"`+f.SHA256+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if sum, err := hex.DecodeString(f.SHA256); err == nil {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	out := &handing{ResponseWriter: w, content: content, head: r.Method == http.MethodHead}
	defer out.watch(r.Context(), still)()
	http.ServeContent(out, inOnePart(r), "", fetched.Run.Finished, content)
	if err := out.refused(f); err != nil {
		s.sorry(w, r, err)
		return
	}
	if out.bytes == 0 {
		return
	}
	ctx := context.WithoutCancel(r.Context()) // what went out is recorded also of whoever left in the middle
	if err := fetched.Done(ctx, who, s.from(r), out.bytes); err != nil {
		s.Log.ErrorContext(ctx, "record a download", "run", fetched.Run.ID, "error", err)
	}
}

// sorry says it in a page to a person whose browser followed a link, and as a
// problem to a program.
func (s *Site) sorry(w http.ResponseWriter, r *http.Request, err error) {
	if takesPage(r) {
		s.failPage(w, r, err)
		return
	}
	s.fail(w, r, err)
}

// inOnePart is r without a Range that cannot be read or names several parts:
// such a one is answered with the whole (RFC 9110, 14.2).
func inOnePart(r *http.Request) *http.Request {
	ranges := r.Header.Values("Range")
	if len(ranges) == 0 || len(ranges) == 1 && oneRange(ranges[0]) {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	return r
}

// oneRange tells whether a Range is bytes=5-9, bytes=5- or bytes=-5.
func oneRange(header string) bool {
	spec, bytes := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	from, errFirst := strconv.ParseUint(first, 10, 63)
	to, errLast := strconv.ParseUint(last, 10, 63)
	switch {
	case !bytes || !dash:
		return false
	case first == "":
		return errLast == nil && to > 0
	case last == "":
		return errFirst == nil
	}
	return errFirst == nil && errLast == nil && from <= to
}

// fetcher is who fetches: whom the pass in the address was made for, or who
// sent the request.
func (s *Site) fetcher(r *http.Request) (offprint.Identity, error) {
	if pass := r.URL.Query().Get("t"); pass != "" {
		return s.Desk.Redeem(r.Context(), r.PathValue("id"), pass)
	}
	return s.identify(r)
}

// A seeker opens a file where it is first read, and again after a jump:
// stores read forward only. Once closed it stays closed, also for whoever still
// holds it on another goroutine.
type seeker struct {
	ctx     context.Context
	fetched *desk.Fetched
	size    int64

	mu     sync.Mutex
	closed bool
	at     int64
	open   io.ReadCloser // reads from at on; nil: not open
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != s.at {
		s.drop()
	}
	s.at = offset
	return offset, nil
}

// begin opens the file where it will be read.
func (s *seeker) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready()
}

func (s *seeker) ready() (err error) {
	if s.closed {
		return os.ErrClosed
	}
	if s.open == nil {
		s.open, err = s.fetched.Open(s.ctx, s.at)
	}
	return err
}

func (s *seeker) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at >= s.size {
		return 0, io.EOF
	}
	if err := s.ready(); err != nil {
		return 0, err
	}
	n, err := s.open.Read(b)
	s.at += int64(n)
	return n, err
}

func (s *seeker) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.drop()
}

// drop lets go; what was only read has nothing to lose.
func (s *seeker) drop() {
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
}

// handing is a response that holds back what http.ServeContent says in plain
// text, and a good status until the file has really been opened.
type handing struct {
	http.ResponseWriter
	content *seeker
	head    bool
	over    atomic.Bool // it may not go on
	status  int
	err     error // of opening
	bytes   int64
}

// askEvery is how long a transfer goes on before it is asked again whether it
// still may.
const askEvery = 500 * time.Millisecond

var errOver = errors.New("the transfer may not go on")

// watch breaks the transfer off once still is an error, also while nobody takes
// what was written. It does so until what it answers with is called.
func (h *handing) watch(ctx context.Context, still func(context.Context) error) (end func()) {
	if still == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		wire := http.NewResponseController(h.ResponseWriter)
		asking := time.NewTicker(askEvery)
		defer asking.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-asking.C:
			}
			if h.over.Load() || still(ctx) != nil {
				h.over.Store(true)
				_ = wire.SetWriteDeadline(time.Now()) // again each time: a piece that was just begun has set its own
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

func (h *handing) WriteHeader(status int) {
	h.status = status
	whole := status == http.StatusOK || status == http.StatusPartialContent
	if whole && !h.head && h.content.size > 0 {
		h.err = h.content.begin()
	}
	if h.err == nil && status < 400 {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *handing) Write(b []byte) (int, error) {
	if h.err != nil || h.status >= 400 {
		return len(b), h.err
	}
	if h.over.Load() {
		return 0, errOver // less than was promised: the server breaks the connection
	}
	n, err := h.ResponseWriter.Write(b)
	h.bytes += int64(n)
	return n, err
}

// refused is what to answer instead; by then nothing has been sent.
func (h *handing) refused(f *offprint.File) (err error) {
	switch {
	case offprint.CodeOf(h.err) == offprint.NotFound:
		err = offprint.Errorf(offprint.Expired, "It is no longer in the store. Make the report again.").Because(h.err)
	case h.err != nil:
		err = offprint.Errorf(offprint.StorageUnavailable, "The file is kept. Try again in a moment.").Because(h.err)
	case h.status == http.StatusRequestedRangeNotSatisfiable:
		h.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(f.Bytes, 10))
		err = offprint.Errorf(offprint.Range, "It has %d bytes.", f.Bytes)
	case h.status == http.StatusPreconditionFailed:
		err = offprint.Errorf(offprint.Precondition, "Fetch it from the beginning.")
	default:
		return nil
	}
	for _, name := range []string{"Content-Disposition", "Content-Length", "Accept-Ranges", "Repr-Digest", "ETag", "Last-Modified"} {
		h.Header().Del(name)
	}
	return err
}
