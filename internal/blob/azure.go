package blob

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/offprint/offprint"
)

// An Azure keeps blobs as block blobs of a container. What is being written is
// blocks that are not committed, which nobody sees.
type Azure struct {
	container *container.Client
	prefix    string // empty, or ends with a slash
}

func parseAzure(u *url.URL) (func() (*Store, error), error) {
	p := parametersOf(u)
	endpoint := "https://" + u.Host + ".blob.core.windows.net"
	if server := p.server(); server != nil {
		endpoint = server.String()
	}
	if err := p.err("endpoint"); err != nil {
		return nil, err
	}
	name, rest, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if u.Host == "" || name == "" || u.User != nil || u.Port() != "" {
		return nil, errors.New("azure:// is followed by the names of an account and a container, as in azure://account/container/prefix")
	}
	prefix, err := folder(rest)
	if err != nil {
		return nil, err
	}
	return func() (*Store, error) {
		client, err := openContainer(u.Host, strings.TrimRight(endpoint, "/")+"/"+name, name)
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		may := "the role Storage Blob Data Contributor on the container"
		return &Store{&Azure{client, prefix}, rights{may, may, may, may}, func() error { return nil }}, nil
	}, nil
}

// openContainer takes the first credentials that there are: a connection
// string, the account's key, a signature, what the machine or the environment
// is known to Entra by.
func openContainer(account, address, name string) (*container.Client, error) {
	if text := os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); text != "" {
		if !strings.Contains(";"+text+";", ";AccountName="+account+";") && strings.Contains(text, "AccountName=") {
			return nil, fmt.Errorf("AZURE_STORAGE_CONNECTION_STRING is not of the account %s", account)
		}
		return container.NewClientFromConnectionString(text, name, nil)
	}
	if key := os.Getenv("AZURE_STORAGE_KEY"); key != "" {
		shared, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, fmt.Errorf("AZURE_STORAGE_KEY: %w", err)
		}
		return container.NewClientWithSharedKeyCredential(address, shared, nil)
	}
	if signature := os.Getenv("AZURE_STORAGE_SAS_TOKEN"); signature != "" {
		return container.NewClientWithNoCredential(address+"?"+strings.TrimPrefix(signature, "?"), nil)
	}
	identity, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(address, identity, nil)
}

func (a *Azure) blob(key string) *blockblob.Client {
	return a.container.NewBlockBlobClient(a.prefix + key)
}

// Put stages what write writes as blocks, and commits them at its end; what
// fits in one is sent at once. Blocks of a Put that failed are left to the
// sweep: to discard them is to write a blob over them.
func (a *Azure) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	if _, err := path(key); err != nil {
		return err
	}
	return put(ctx, &azureUpload{to: a.blob(key)}, write)
}

type azureUpload struct {
	to     *blockblob.Client
	blocks []string
}

// mostBlocks is what Azure takes.
const mostBlocks = 50_000

func (u *azureUpload) send(ctx context.Context, b []byte) error {
	if len(u.blocks) == mostBlocks {
		return tooLarge(mostBlocks)
	}
	id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%06d", len(u.blocks)))
	_, err := u.to.StageBlock(ctx, id, body(b), &blockblob.StageBlockOptions{TransactionalValidation: checksum(b)})
	u.blocks = append(u.blocks, id)
	return refused(azureError(err))
}

// last may be asked twice, as when a reply was lost: what is committed already
// may be committed again.
func (u *azureUpload) last(ctx context.Context, b []byte) error {
	if len(u.blocks) == 0 {
		_, err := u.to.Upload(ctx, body(b), &blockblob.UploadOptions{TransactionalValidation: checksum(b)})
		return refused(azureError(err))
	}
	if err := u.send(ctx, b); err != nil {
		return err
	}
	_, err := u.to.CommitBlockList(ctx, u.blocks, nil)
	return refused(azureError(err))
}

// checksum lets the server see that it got what we have. The client's own way
// to compute one copies b.
func checksum(b []byte) azblob.TransferValidationType {
	sum := md5.Sum(b)
	return azblob.TransferValidationTypeMD5(sum[:])
}

func body(b []byte) io.ReadSeekCloser { return streaming.NopCloser(bytes.NewReader(b)) }

// Open reads the blob from offset on.
func (a *Azure) Open(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	if _, err := path(key); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s: offset %d", key, offset)
	}
	r, err := a.blob(key).DownloadStream(ctx, &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: offset}})
	switch {
	case err == nil && r.ContentRange != nil:
		return from(offset, *r.ContentRange, r.Body)
	case err == nil:
		return from(offset, "", r.Body)
	case bloberror.HasCode(err, bloberror.BlobNotFound):
		return nil, offprint.Errorf(offprint.NotFound, "There is no such file.").Because(azureError(err))
	case bloberror.HasCode(err, bloberror.InvalidRange): // from its end on there is nothing
		return io.NopCloser(strings.NewReader("")), nil
	}
	return nil, unread(azureError(err))
}

// Delete deletes the blob. Blocks that were never committed are no blob yet:
// one is written over them first, which discards them.
func (a *Azure) Delete(ctx context.Context, key string) error {
	if _, err := path(key); err != nil {
		return err
	}
	_, err := a.blob(key).Delete(ctx, nil)
	if !bloberror.HasCode(err, bloberror.BlobNotFound) {
		return refused(azureError(err))
	}
	blocks, err := a.blob(key).GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) || err == nil && len(blocks.UncommittedBlocks) == 0 {
		return nil
	}
	if err == nil {
		_, err = a.blob(key).Upload(ctx, body(nil), nil)
	}
	if err == nil {
		_, err = a.blob(key).Delete(ctx, nil)
	}
	return refused(azureError(err))
}

// List asks of what has no bytes whether it is a blob: blocks that were never
// committed are listed alike.
func (a *Azure) List(ctx context.Context, prefix string) iter.Seq2[offprint.Blob, error] {
	return func(yield func(offprint.Blob, error) bool) {
		below := a.prefix + prefix
		pages := a.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &below, Include: container.ListBlobsInclude{UncommittedBlobs: true}})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(offprint.Blob{}, unread(azureError(err)))
				return
			}
			for _, item := range page.Segment.BlobItems {
				b, err := a.item(ctx, item)
				if !yield(b, err) || err != nil {
					return
				}
			}
		}
	}
}

func (a *Azure) item(ctx context.Context, item *container.BlobItem) (offprint.Blob, error) {
	b := offprint.Blob{Key: strings.TrimPrefix(*item.Name, a.prefix)}
	if p := item.Properties; p != nil {
		if p.ContentLength != nil {
			b.Bytes = *p.ContentLength
		}
		if p.LastModified != nil {
			b.Modified = *p.LastModified
		}
	}
	if b.Bytes > 0 {
		return b, nil
	}
	_, err := a.container.NewBlobClient(*item.Name).GetProperties(ctx, nil)
	if b.Partial = bloberror.HasCode(err, bloberror.BlobNotFound); b.Partial {
		return b, nil
	}
	if err != nil {
		return b, unread(azureError(err))
	}
	return b, nil
}

// azureError is err in few words, without the address, which may be signed; it
// tells the refusals apart that somebody has to mend.
func azureError(err error) error {
	var refusal *azcore.ResponseError
	var unreached *url.Error
	var unknown *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &unknown), err != nil && strings.HasPrefix(err.Error(), "DefaultAzureCredential"):
		return fmt.Errorf("%w: there is neither AZURE_STORAGE_CONNECTION_STRING nor AZURE_STORAGE_KEY nor AZURE_STORAGE_SAS_TOKEN, and of the identity Entra says: %w", errCredentials, err)
	case errors.As(err, &unreached):
		return fmt.Errorf("%s: %w", unreached.Op, unreached.Err)
	case !errors.As(err, &refusal):
		return err
	}
	said := fmt.Errorf("%s, status %d", cmp.Or(refusal.ErrorCode, "no reason given"), refusal.StatusCode)
	switch bloberror.Code(refusal.ErrorCode) {
	case bloberror.AuthorizationPermissionMismatch, bloberror.AuthorizationFailure, bloberror.InsufficientAccountPermissions, bloberror.AuthorizationProtocolMismatch,
		bloberror.AuthorizationResourceTypeMismatch, bloberror.AuthorizationServiceMismatch, bloberror.AuthorizationSourceIPMismatch:
		return fmt.Errorf("%w: %w", fs.ErrPermission, said)
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation, bloberror.AccountIsDisabled:
		return fmt.Errorf("%w: %w", errCredentials, said)
	case bloberror.ContainerNotFound, bloberror.ContainerDisabled, bloberror.ContainerBeingDeleted:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, said)
	}
	return said
}
