package blob

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/offprint/offprint"
)

// An S3 keeps blobs as objects of a bucket, at AWS or any server that speaks
// the same: orders.xlsx of the second epoch of a run is the object
// <prefix>/run_0193…/2/orders.xlsx. What is being written is a multipart
// upload, which nobody sees before it is completed.
type S3 struct {
	core   minio.Core
	bucket string
	prefix string // empty, or ends with a slash
	sse    encrypt.ServerSide
}

func parseS3(u *url.URL) (func() (*Store, error), error) {
	p := parametersOf(u)
	endpoint := p.server()
	if endpoint != nil && strings.Trim(endpoint.Path, "/") != "" {
		p.wrong = append(p.wrong, errors.New("endpoint has a path, and a server of S3 has none; the bucket and the prefix stand behind s3://"))
	}
	options := minio.Options{
		Secure: endpoint == nil || endpoint.Scheme == "https",
		Region: cmp.Or(p.choice("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		BucketLookup: map[string]minio.BucketLookupType{
			"": minio.BucketLookupAuto, "true": minio.BucketLookupPath, "false": minio.BucketLookupDNS,
		}[p.choice("path_style", "true", "false")],
	}
	sse := p.encryption()
	if err := p.err("endpoint, region, path_style, sse and kms_key"); err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.Port() != "" {
		return nil, errors.New("s3:// is followed by the name of a bucket, and an endpoint stands in ?endpoint=")
	}
	prefix, err := folder(u.Path)
	if err != nil {
		return nil, err
	}
	s := &S3{bucket: u.Host, prefix: prefix, sse: sse}
	host := "s3.amazonaws.com"
	if endpoint != nil {
		host = endpoint.Host
	}
	return func() (*Store, error) { return s.open(host, options) }, nil
}

// encryption is what the server is asked for.
func (p *parameters) encryption() encrypt.ServerSide {
	kind, key := p.choice("sse", "AES256", "aws:kms"), p.choice("kms_key")
	switch {
	case kind == "aws:kms":
		sse, err := encrypt.NewSSEKMS(key, nil)
		p.wrong = append(p.wrong, err)
		return sse
	case key != "":
		p.wrong = append(p.wrong, errors.New("kms_key belongs to sse=aws:kms"))
	case kind == "AES256":
		return encrypt.NewSSE()
	}
	return nil
}

func (s *S3) open(host string, options minio.Options) (*Store, error) {
	transport, err := minio.DefaultTransport(options.Secure)
	if err != nil {
		return nil, err
	}
	options.Transport = transport
	options.Creds = credentials.New(&chain{credentials.Chain{Providers: []credentials.Provider{
		new(credentials.EnvAWS), new(filed), new(credentials.IAM),
	}}})
	core, err := minio.NewCore(host, &options)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.core = *core
	return &Store{s, rights{
		write: "s3:PutObject and s3:AbortMultipartUpload", read: "s3:GetObject",
		list: "s3:ListBucket and s3:ListBucketMultipartUploads", remove: "s3:DeleteObject",
	}, func() error { transport.CloseIdleConnections(); return nil }}, nil
}

// Sign is an address that S3 itself knows to be ours (AWS Signature Version 4).
func (s *S3) Sign(ctx context.Context, key, name, mediaType string, lasting time.Duration) (string, error) {
	if _, err := path(key); err != nil {
		return "", err
	}
	answer := url.Values{"response-content-type": {mediaType}, "response-content-disposition": {offprint.Attachment(name)}}
	address, err := s.core.PresignedGetObject(ctx, s.bucket, s.prefix+key, lasting, answer)
	if err != nil {
		return "", fmt.Errorf("sign an address of the store: %w", err)
	}
	return address.String(), nil
}

// A chain has the first credentials that are found; without any nothing is
// sent, rather than as somebody without a name.
type chain struct{ credentials.Chain }

func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	value, err := c.Chain.RetrieveWithCredContext(cc)
	if err == nil && value.AccessKeyID == "" {
		err = fmt.Errorf("%w: there are none, neither in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor in AWS's files nor of the machine", errCredentials)
	}
	return value, err
}

// filed are the credentials in AWS's files, read again when these change.
type filed struct {
	credentials.FileAWSCredentials
	read [2]fs.FileInfo
}

func (f *filed) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	f.read = credentialFiles()
	return f.FileAWSCredentials.RetrieveWithCredContext(cc)
}

func (f *filed) IsExpired() bool {
	for i, now := range credentialFiles() {
		was := f.read[i]
		if (was == nil) != (now == nil) || was != nil && (!os.SameFile(was, now) || !was.ModTime().Equal(now.ModTime()) || was.Size() != now.Size()) {
			return true
		}
	}
	return f.FileAWSCredentials.IsExpired()
}

func credentialFiles() (found [2]fs.FileInfo) {
	home, _ := os.UserHomeDir() // without one there are no files in it
	for i, name := range []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")),
	} {
		if info, err := os.Stat(name); err == nil {
			found[i] = info
		}
	}
	return found
}

// Put sends what write writes as the parts of one upload; what fits in one is
// sent at once.
func (s *S3) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	if _, err := path(key); err != nil {
		return err
	}
	up := &s3Upload{S3: s, key: s.prefix + key, token: rand.Text()}
	err := put(ctx, up, write)
	if err != nil && up.id != "" {
		up.abort(ctx)
	}
	return err
}

type s3Upload struct {
	*S3
	key   string
	token string // tells this upload's object from any other's
	id    string // of the multipart upload, once there is one
	parts []minio.CompletePart
}

// mostParts is what S3 takes.
const mostParts = 10_000

func (u *s3Upload) send(ctx context.Context, b []byte) (err error) {
	if u.id == "" {
		if u.id, err = u.core.NewMultipartUpload(ctx, u.bucket, u.key, u.options()); err != nil {
			return refused(s3Error(err))
		}
	}
	if len(u.parts) == mostParts {
		return tooLarge(mostParts)
	}
	part, err := u.core.PutObjectPart(ctx, u.bucket, u.key, u.id, len(u.parts)+1, bytes.NewReader(b), int64(len(b)),
		minio.PutObjectPartOptions{Sha256Hex: sum(b), DisableContentSha256: true}) // the sum is signed, so that the server checks it
	if err != nil {
		return refused(s3Error(err))
	}
	u.parts = append(u.parts, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
	return nil
}

func (u *s3Upload) last(ctx context.Context, b []byte) error {
	if u.id == "" {
		_, err := u.core.PutObject(ctx, u.bucket, u.key, bytes.NewReader(b), int64(len(b)), "", sum(b), u.options())
		return refused(s3Error(err))
	}
	if err := u.send(ctx, b); err != nil {
		return err
	}
	_, err := u.core.CompleteMultipartUpload(ctx, u.bucket, u.key, u.id, u.parts, minio.PutObjectOptions{})
	if err != nil && u.isThere(ctx) { // only the answer was lost
		return nil
	}
	return refused(s3Error(err))
}

func (u *s3Upload) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ServerSideEncryption: u.sse, UserMetadata: map[string]string{"Offprint-Upload": u.token}, DisableContentSha256: true}
}

// isThere tells whether the object is what this upload was completed to.
func (u *s3Upload) isThere(ctx context.Context) bool {
	info, err := u.core.StatObject(ctx, u.bucket, u.key, minio.StatObjectOptions{})
	return err == nil && info.UserMetadata["Offprint-Upload"] == u.token
}

// abort gives up the parts, also when ctx has ended; what it does not reach is
// left to the sweep.
func (u *s3Upload) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = u.core.AbortMultipartUpload(ctx, u.bucket, u.key, u.id)
}

func sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Open reads the object from offset on.
func (s *S3) Open(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	if _, err := path(key); err != nil {
		return nil, err
	}
	var o minio.GetObjectOptions
	if offset != 0 {
		if err := o.SetRange(offset, 0); err != nil {
			return nil, fmt.Errorf("open %s from %d: %w", key, offset, err)
		}
	}
	r, _, header, err := s.core.GetObject(ctx, s.bucket, s.prefix+key, o)
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil:
		return from(offset, header.Get("Content-Range"), r)
	case code == minio.NoSuchKey:
		return nil, offprint.Errorf(offprint.NotFound, "There is no such file.").Because(err)
	case code == minio.InvalidRange: // from its end on there is nothing
		return io.NopCloser(strings.NewReader("")), nil
	}
	return nil, unread(s3Error(err))
}

// Delete deletes the object, and gives up what was being uploaded as it.
func (s *S3) Delete(ctx context.Context, key string) error {
	if _, err := path(key); err != nil {
		return err
	}
	err := s.core.RemoveObject(ctx, s.bucket, s.prefix+key, minio.RemoveObjectOptions{})
	if err != nil {
		return refused(s3Error(err))
	}
	for upload, err := range s.uploads(ctx, s.prefix+key) {
		if err == nil && upload.Key == s.prefix+key {
			err = s.core.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID)
		}
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return refused(s3Error(err))
		}
	}
	return nil
}

// List asks for the objects and then for the uploads that were never completed.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[offprint.Blob, error] {
	return func(yield func(offprint.Blob, error) bool) {
		objects := s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true})
		for o := range objects {
			if o.Err != nil {
				yield(offprint.Blob{}, unread(s3Error(o.Err)))
				return
			}
			if !yield(offprint.Blob{Key: strings.TrimPrefix(o.Key, s.prefix), Bytes: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
		for u, err := range s.uploads(ctx, s.prefix+prefix) {
			if err != nil {
				yield(offprint.Blob{}, unread(s3Error(err)))
				return
			}
			if !yield(offprint.Blob{Key: strings.TrimPrefix(u.Key, s.prefix), Modified: u.Initiated, Partial: true}, nil) {
				return
			}
		}
	}
}

// uploads are those that are under way, or were when somebody died.
func (s *S3) uploads(ctx context.Context, prefix string) iter.Seq2[minio.ObjectMultipartInfo, error] {
	return func(yield func(minio.ObjectMultipartInfo, error) bool) {
		var key, id string
		for {
			page, err := s.core.ListMultipartUploads(ctx, s.bucket, prefix, key, id, "", 1000)
			if err != nil {
				yield(minio.ObjectMultipartInfo{}, err)
				return
			}
			for _, u := range page.Uploads {
				if !yield(u, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			key, id = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}

// s3Error tells the refusals apart that somebody has to mend.
func s3Error(err error) error {
	switch minio.ToErrorResponse(err).Code {
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed":
		return fmt.Errorf("%w: %w", errCredentials, err)
	case "NoSuchBucket":
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}
