package source

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// A Folder is an offprint.Catalog: the *.sql files of a directory and the
// reports in Go that were given with it. Folders within are groups; names that
// begin with a dot or an underscore are left alone. It is safe for use by many
// goroutines.
type Folder struct {
	files   fs.FS
	dir     string // in front of the paths in problems
	sources map[string]*Database
	inGo    []*offprint.Report

	reloading sync.Mutex
	tenants   bool     // askers may have one; under reloading
	formats   []string // that are made; nil: not known; under reloading
	schemes   []string // of the addresses that are delivered to; nil: not known; under reloading
	mu        sync.RWMutex
	read      map[string]*file // by path in files
	reports   map[string]*offprint.Report
	problems  Problems
	compiled  map[string]*offprint.Report // of older versions, by name and version
}

// A file is one SQL file as it was read last.
type file struct {
	info     fs.FileInfo
	good     *Definition // the last that was right; nil: never
	problems Problems
}

// OpenFolder reads a directory. A file with problems is left out, or stays as
// it was when it was right; the folder serves the others.
func OpenFolder(dir string, sources map[string]*Database, inGo ...*offprint.Report) (*Folder, Problems) {
	return OpenFS(dir, os.DirFS(dir), sources, inGo...)
}

// OpenFS is [OpenFolder] for files that are elsewhere, as in an embed.FS. The
// name stands in front of their paths in problems.
func OpenFS(name string, files fs.FS, sources map[string]*Database, inGo ...*offprint.Report) (*Folder, Problems) {
	f := &Folder{
		files: files, dir: name, sources: sources, inGo: inGo,
		read: map[string]*file{}, compiled: map[string]*offprint.Report{},
	}
	return f, f.Reload()
}

// Tenants says whether askers may have a tenant. If so, [Folder.Reload] and
// [Folder.Check] tell of each query that is blind to tenants; its report is
// served all the same, as offprint.Report.TenantBlind.
func (f *Folder) Tenants(yes bool) {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	f.tenants = yes
}

// Formats says which formats are made. From then on [Folder.Reload] and
// [Folder.Check] tell of each that a report names beside; the report is served
// all the same, as the others.
func (f *Folder) Formats(names ...string) {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	f.formats = names
}

// Delivers says to addresses of which schemes there is something that delivers:
// mailto, webhook. From then on [Folder.Check] warns of each that a report
// names beside.
func (f *Folder) Delivers(schemes ...string) {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	f.schemes = append([]string{}, schemes...)
}

// Reports are all that may be asked for, by name.
func (f *Folder) Reports() []*offprint.Report {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.SortedFunc(maps.Values(f.reports), func(a, b *offprint.Report) int { return cmp.Compare(a.Name, b.Name) })
}

// Found is how many reports there are, right or wrong.
func (f *Folder) Found() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.read) + len(f.inGo)
}

// Report is the one of that name, as it is now.
func (f *Folder) Report(name string) (*offprint.Report, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r, ok := f.reports[name]
	return r, ok
}

// Problems are what the last reload found.
func (f *Folder) Problems() Problems {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.problems)
}

const mostCompiled = 500

// Compile makes a report again from the text that a run was accepted with.
func (f *Folder) Compile(name, version, text string) (*offprint.Report, error) {
	if r, ok := f.Report(name); ok && r.Version == version {
		return r, nil
	}
	if text == "" {
		return nil, offprint.ErrUnknownVersion
	}
	key := name + "\x00" + version
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.compiled[key]; ok {
		return r, nil
	}
	d, problems := Parse(name+".sql", text, f.sources)
	if problems != nil {
		return nil, offprint.Errorf(offprint.BadQuery, "The report was accepted in a form that cannot be made any more. Ask for it again.").Because(problems)
	}
	if len(f.compiled) >= mostCompiled {
		clear(f.compiled)
	}
	f.compiled[key] = d.Report()
	return f.compiled[key], nil
}

// Reload reads what has changed and tells all that is wrong now.
func (f *Folder) Reload() Problems {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	var problems Problems
	found := map[string]*file{}
	f.walk(".", found, &problems)
	reports := map[string]*offprint.Report{}
	for _, r := range f.inGo {
		f.addInGo(r, reports, &problems)
	}
	for _, p := range slices.Sorted(maps.Keys(found)) {
		problems = append(problems, found[p].problems...)
		f.add(p, found[p], reports, &problems)
		if d := found[p].good; d != nil && found[p].problems == nil {
			problems = append(problems, f.unfit(d)...)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read, f.reports, f.problems = found, reports, problems
	return slices.Clone(problems)
}

// unfit is what is wrong with a definition here, though it might not be with
// another configuration.
func (f *Folder) unfit(d *Definition) (problems Problems) {
	if f.formats != nil {
		problems = d.unmade(f.formats)
	}
	if f.tenants {
		problems = append(problems, d.blind()...)
	}
	return problems
}

func (f *Folder) addInGo(r *offprint.Report, reports map[string]*offprint.Report, problems *Problems) {
	err := r.Check()
	if _, twice := reports[r.Name]; twice && err == nil {
		err = fmt.Errorf("there is another report of this name")
	}
	if err != nil {
		*problems = append(*problems, Problem{File: "report in Go " + r.Name, Text: err.Error()})
		return
	}
	reports[r.Name] = r
}

func (f *Folder) add(p string, file *file, reports map[string]*offprint.Report, problems *Problems) {
	if file.good == nil {
		return
	}
	r := file.good.Report()
	if group := path.Dir(p); group != "." {
		r.Group = group
	}
	if _, twice := reports[r.Name]; twice {
		*problems = append(*problems, Problem{File: f.shown(p), Text: "There is another report named " + r.Name + ". Rename one of them: the name is part of addresses."})
		return
	}
	reports[r.Name] = r
}

func (f *Folder) shown(p string) string { return path.Join(f.dir, p) }

// deepest bounds folders in folders, as a link to itself would make.
const deepest = 8

// walk follows links, as those of a ConfigMap, whose names stay while what
// they point to is swapped.
func (f *Folder) walk(dir string, found map[string]*file, problems *Problems) {
	entries, err := fs.ReadDir(f.files, dir)
	if err != nil {
		*problems = append(*problems, Problem{File: f.shown(dir), Text: "The folder cannot be read: " + err.Error() + "."})
		return
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		info, err := fs.Stat(f.files, p)
		switch {
		case err != nil && path.Ext(p) == ".sql":
			found[p] = f.broken(p, err)
		case err != nil:
		case info.IsDir() && strings.Count(p, "/") < deepest:
			f.walk(p, found, problems)
		case path.Ext(p) == ".sql":
			found[p] = f.file(p, info)
		}
	}
}

// broken keeps the last good version of a file that cannot be read now.
func (f *Folder) broken(p string, err error) *file {
	now := &file{problems: Problems{{File: f.shown(p), Text: "The file cannot be read: " + err.Error() + "."}}}
	if was := f.read[p]; was != nil {
		now.good = was.good
	}
	return now
}

func (f *Folder) file(p string, info fs.FileInfo) *file {
	was := f.read[p]
	if was != nil && was.info != nil && same(was.info, info) {
		return was
	}
	text, err := fs.ReadFile(f.files, p)
	if err != nil {
		return f.broken(p, err)
	}
	now := &file{info: info}
	now.good, now.problems = Parse(f.shown(p), string(text), f.sources)
	if now.good == nil && was != nil {
		now.good = was.good
	}
	return now
}

// same tells whether a path still means the same bytes: also by its inode,
// for a swapped link may point to a file of the same size and time.
func same(a, b fs.FileInfo) bool {
	swapped := os.SameFile(a, a) && !os.SameFile(a, b)
	return !swapped && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Watch reloads what changes, looking every so often, until ctx ends, and logs
// what comes to be wrong.
func (f *Folder) Watch(ctx context.Context, log *slog.Logger, every time.Duration) error {
	known := f.Problems()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := f.Reload()
		for _, p := range now {
			if !slices.Contains(known, p) {
				log.ErrorContext(ctx, "a report is not right", "problem", p.String())
			}
		}
		known = now
	}
}
