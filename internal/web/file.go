package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
		s.fail(w, r, err)
		return
	}
	fetched, err := s.Desk.Fetch(r.Context(), who, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f := fetched.Run.File
	content := &seeker{ctx: r.Context(), fetched: fetched, size: f.Bytes}
	defer content.close()
	h := w.Header()
	h.Set("Content-Type", f.MediaType)
	h.Set("Content-Disposition", disposition(f.Name))
	h.Set("ETag", `"`+f.SHA256+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if sum, err := hex.DecodeString(f.SHA256); err == nil {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	wire := http.NewResponseController(w)
	out := &handing{ResponseWriter: w, wire: wire, content: content, head: r.Method == http.MethodHead}
	http.ServeContent(out, r, "", fetched.Run.Finished, content)
	if err := out.refused(f); err != nil {
		s.fail(w, r, err)
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

// fetcher is who fetches: whom the pass in the address was made for, or who
// sent the request.
func (s *Site) fetcher(r *http.Request) (offprint.Identity, error) {
	if pass := r.URL.Query().Get("t"); pass != "" {
		return s.Desk.Redeem(r.Context(), r.PathValue("id"), pass)
	}
	return s.identify(r)
}

// disposition names the file for every browser: plainly, and as RFC 8187 has it.
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	value := mime.FormatMediaType("attachment", map[string]string{"filename": plain})
	if plain != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}

// A seeker opens a file where it is first read, and again after a jump:
// stores read forward only.
type seeker struct {
	ctx     context.Context
	fetched *desk.Fetched
	size    int64
	at      int64
	open    io.ReadCloser // reads from at on; nil: not open
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
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
		s.close()
	}
	s.at = offset
	return offset, nil
}

func (s *seeker) begin() (err error) {
	if s.open == nil {
		s.open, err = s.fetched.Open(s.ctx, s.at)
	}
	return err
}

func (s *seeker) Read(b []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	if err := s.begin(); err != nil {
		return 0, err
	}
	n, err := s.open.Read(b)
	s.at += int64(n)
	return n, err
}

// close lets go; what was only read has nothing to lose.
func (s *seeker) close() {
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
}

// patience is how long a reader may leave one piece of a file waiting.
const patience = time.Minute

// handing is a response that holds back what http.ServeContent says in plain
// text, and a good status until the file has really been opened.
type handing struct {
	http.ResponseWriter
	wire    *http.ResponseController
	content *seeker
	head    bool
	status  int
	err     error // of opening
	bytes   int64
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
	if err := h.wire.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
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
