package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/offprint/offprint"
)

// A Store is where a ledger keeps its files, wherever that is.
type Store struct {
	offprint.Blobs
	rights rights
	close  func() error
}

// rights are what somebody has to allow for the store to work, in its own words.
type rights struct{ write, read, list, remove string }

// Parse reads a store's address and says what is wrong with it; open then looks
// at the place itself.
//
//	dir:PATH
//	s3://bucket/prefix?endpoint=https://…&region=…
//	azure://account/container/prefix
func Parse(address string) (open func() (*Store, error), err error) {
	if path, ok := strings.CutPrefix(address, "dir:"); ok {
		return func() (*Store, error) { return openDir(path) }, nil
	}
	u, err := url.Parse(address)
	switch {
	case err == nil && strings.Contains(address, "#"):
		return nil, errors.New("there is a # in the address of the store, and nothing behind it would be read. Leave it out")
	case err == nil && u.Scheme == "s3":
		return parseS3(u)
	case err == nil && u.Scheme == "azure":
		return parseAzure(u)
	}
	return nil, fmt.Errorf("%q is no store. Write dir: and a folder, s3://bucket/prefix or azure://account/container/prefix", address)
}

func openDir(path string) (*Store, error) {
	dir, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	may := "the user that Offprint runs as has to own the folder"
	return &Store{dir, rights{may, may, may, may}, dir.Close}, nil
}

// Close lets go of the store; open blobs stay readable.
func (s *Store) Close() error { return s.close() }

// Reserve is as of a [Dir]; other stores have no end.
func (s *Store) Reserve(bytes int64) {
	if dir, ok := s.Blobs.(*Dir); ok {
		dir.Reserve = bytes
	}
}

// Free is as of a [Dir]; of other stores it is errors.ErrUnsupported.
func (s *Store) Free() (free, size int64, err error) {
	if dir, ok := s.Blobs.(*Dir); ok {
		return dir.Free()
	}
	return 0, 0, errors.ErrUnsupported
}

// Signer is the store as one that hands blobs out itself, or nil.
func (s *Store) Signer() offprint.Signer {
	signer, _ := s.Blobs.(offprint.Signer)
	return signer
}

// Signs tells whether the store at an address can be a [Store.Signer].
func Signs(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "s3"
}

// owners begins the key of the blob that says which ledger's files these are:
// a ledger takes all others for left over.
const owners = "ledger/"

// List is as of any blobs, without the mark of the owner.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[offprint.Blob, error] {
	return func(yield func(offprint.Blob, error) bool) {
		for b, err := range s.Blobs.List(ctx, prefix) {
			if strings.HasPrefix(b.Key, owners) {
				continue
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// Owned is nil if the store's files are those of the ledger with that id.
func (s *Store) Owned(ctx context.Context, ledger string) error {
	marks, err := s.marks(ctx)
	switch {
	case err != nil:
		return err
	case len(marks) == 0:
		return errors.New("nobody has served from this store yet, so it is not known whose files it has")
	}
	return foreign(marks, ledger)
}

// Claim makes the store that of the ledger with this id, for good. It refuses
// one that is another's.
func (s *Store) Claim(ctx context.Context, ledger string) error {
	marks, err := s.marks(ctx)
	if err != nil || len(marks) > 0 {
		return errors.Join(err, foreign(marks, ledger))
	}
	err = s.Put(ctx, owners+ledger, func(w io.Writer) error {
		_, err := io.WriteString(w, "The files beside this one are Offprint's, and of the ledger with the id that this one is named by.\n")
		return err
	})
	if err != nil {
		return err
	}
	marks, err = s.marks(ctx) // of two that come at once, one at least sees the other
	if err != nil || foreign(marks, ledger) == nil {
		return err
	}
	return errors.Join(foreign(marks, ledger), s.Delete(ctx, owners+ledger))
}

func (s *Store) marks(ctx context.Context) (marks []string, err error) {
	for b, err := range s.Blobs.List(ctx, owners) {
		if err != nil {
			return nil, err
		}
		if !b.Partial {
			marks = append(marks, strings.TrimPrefix(b.Key, owners))
		}
	}
	return marks, nil
}

func foreign(marks []string, ledger string) error {
	for _, mark := range marks {
		if mark != ledger {
			return fmt.Errorf("its files belong to the ledger %s, and this database is the ledger %s. Give each a prefix or folder of its own; if the other ledger is no more, delete %s%s from the store",
				mark, ledger, owners, mark)
		}
	}
	return nil
}

var errCredentials = errors.New("the credentials are not accepted")

// Try writes, reads, lists and deletes a file of its own, and says for whoever
// keeps the store what it does not let us do.
func (s *Store) Try(ctx context.Context) error {
	key, text := "trial/"+rand.Text(), "written by offprint check"
	err := s.try("write a file", s.rights.write, s.Put(ctx, key, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}))
	if err != nil {
		return err
	}
	return errors.Join(
		s.try("read a file", s.rights.read, s.reads(ctx, key, text)),
		s.try("list files", s.rights.list, s.lists(ctx, key)),
		s.try("delete a file", s.rights.remove, s.Delete(ctx, key)),
	)
}

func (s *Store) try(what, right string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errCredentials):
		return fmt.Errorf("the store does not accept the credentials: %w", why(err))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the store does not exist: %w", why(err))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the store does not let Offprint %s; it needs %s: %w", what, right, why(err))
	}
	return fmt.Errorf("the store does not %s: %w", what, why(err))
}

// why is what led to an error that is for those who asked for a report.
func why(err error) error {
	var e *offprint.Error
	if errors.As(err, &e) && e.Unwrap() != nil {
		return e.Unwrap()
	}
	return err
}

func (s *Store) reads(ctx context.Context, key, want string) error {
	r, err := s.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%q came back as %q", want, got)
	}
	return errors.Join(err, r.Close())
}

func (s *Store) lists(ctx context.Context, key string) error {
	found := false
	for b, err := range s.List(ctx, key) { // to its end, which some stores are asked for apart
		if err != nil {
			return err
		}
		found = found || b.Key == key
	}
	if !found {
		return errors.New("a file that was just written is not listed")
	}
	return nil
}

// Try is [Store.Try] of the store at address. A folder that is not there yet is
// made by whoever serves, as the user that they run as.
func Try(ctx context.Context, address string) error {
	if path, ok := strings.CutPrefix(address, "dir:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	open, err := Parse(address)
	if err != nil {
		return err
	}
	s, err := open()
	if err != nil {
		return err
	}
	return errors.Join(s.Try(ctx), s.Close())
}

// parameters read the part of an address behind its question mark.
type parameters struct {
	values url.Values
	wrong  []error
}

func parametersOf(u *url.URL) *parameters {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		err = errors.New("what stands behind ? cannot be read; it is name=value, with & between two of them")
	}
	return &parameters{values, []error{err}}
}

// choice is the value of a parameter; with choices it must be one of them.
func (p *parameters) choice(name string, choices ...string) string {
	if len(p.values[name]) > 1 {
		p.wrong = append(p.wrong, fmt.Errorf("%s is said twice", name))
	}
	value := p.values.Get(name)
	p.values.Del(name)
	if value != "" && len(choices) > 0 && !slices.Contains(choices, value) {
		p.wrong = append(p.wrong, fmt.Errorf("%s is one of %s", name, strings.Join(choices, ", ")))
	}
	return value
}

// err is what was wrong, and what is left that nobody has asked for.
func (p *parameters) err(known string) error {
	for name := range p.values {
		p.wrong = append(p.wrong, fmt.Errorf("%s is no setting of it; there are %s", name, known))
	}
	return errors.Join(p.wrong...)
}

// server reads the address of a server that is not the usual one.
func (p *parameters) server() *url.URL {
	text := p.choice("endpoint")
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		p.wrong = append(p.wrong, errors.New("endpoint is the address of a server, as in https://storage.example.com"))
		return nil
	}
	return u
}

// folder is what stands in front of every key, with its slash.
func folder(text string) (string, error) {
	text = strings.Trim(text, "/")
	if text == "" {
		return "", nil
	}
	if _, err := path(text); err != nil {
		return "", fmt.Errorf("%q cannot stand before a file's name; a prefix is made of letters, digits, . _ - and slashes", text)
	}
	return text + "/", nil
}

// refused is why a server did not store or delete a file, as people and the
// ledger see it: whoever asked for a report can do nothing about rights.
func refused(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errCredentials) || errors.Is(err, fs.ErrNotExist) {
		e := offprint.Errorf(offprint.StorageUnavailable, "Offprint may not keep files there. Your request is kept and tried again. Tell whoever runs Offprint: offprint check says what is missing.")
		e.Title = "The store refused the file"
		return e.Because(err)
	}
	return stored(err)
}

// from is what a server answered with, if it begins where it was asked to: a
// whole file would be taken for what is left of it.
func from(offset int64, contentRange string, r io.ReadCloser) (io.ReadCloser, error) {
	if offset == 0 || strings.HasPrefix(contentRange, fmt.Sprintf("bytes %d-", offset)) {
		return r, nil
	}
	return nil, errors.Join(unread(fmt.Errorf("it was asked for what comes from byte %d on, and did not answer with that", offset)), r.Close())
}

// unread is why a file could not be read.
func unread(err error) error {
	e := offprint.Errorf(offprint.StorageUnavailable, "The file is kept. Try again in a moment.")
	e.Title = "The store did not hand out the file"
	return e.Because(err)
}
