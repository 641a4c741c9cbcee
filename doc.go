// Package offprint is the vocabulary of Offprint, which makes reports off the
// request path: somebody asks for one, the asking is recorded as a run and
// answered at once, a worker makes the file, and whoever asked is told.
//
// Whoever writes a report, a format or a store in Go imports this package and
// nothing else. It holds types with their own behaviour and no services, and
// needs only the standard library:
//
//   - a [Report] is what may be asked for; its [Parameter] list is the form;
//   - a [Run] is one asking, and what became of it;
//   - a [Source] answers a [Request] with a [Document] of one or more [Table]
//     parts, whose rows of [Value] are read once and never held;
//   - a [Format] is a kind of file that a document can become;
//   - [Blobs] keep files, a [Notifier] sends word of a run;
//   - an [Error] is for the person who asked. Any other error is ours.
//
// The way of a run goes through internal/desk; docs/design.md tells it whole.
package offprint
