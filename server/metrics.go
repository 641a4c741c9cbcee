package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
)

// metrics are what /metrics tells: of the ledger, whoever asks and on whatever
// node, and of what this process did.
type metrics struct {
	registry *prometheus.Registry
	desk     *desk.Desk
	blobs    *blob.Store
	queued   *prometheus.Desc
	running  *prometheus.Desc
	age      *prometheus.Desc
	free     *prometheus.Desc
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	rows     *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	requests *prometheus.CounterVec
	answered *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		queued:   prometheus.NewDesc("offprint_runs_queued", "Runs that wait, on all nodes.", nil, nil),
		running:  prometheus.NewDesc("offprint_runs_running", "Runs that are being made, on all nodes.", nil, nil),
		age:      prometheus.NewDesc("offprint_queue_age_seconds", "How long the oldest waiting run has waited.", nil, nil),
		free:     prometheus.NewDesc("offprint_store_free_bytes", "What the disk of the store still takes; no file is written that would leave less than disk_reserve.", nil, nil),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "offprint_attempts_total", Help: "Attempts to make a run, by the code that they ended with."}, []string{"report", "format", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "offprint_attempt_seconds", Help: "How long attempts took.", Buckets: prometheus.ExponentialBuckets(0.05, 4, 10),
		}, []string{"report", "format"}),
		rows:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "offprint_rows_total", Help: "Rows of finished files."}, []string{"report", "format"}),
		bytes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "offprint_bytes_total", Help: "Bytes of finished files."}, []string{"report", "format"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "offprint_http_requests_total", Help: "Answers, by method and status."}, []string{"method", "status"}),
		answered: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "offprint_http_answer_seconds", Help: "How long the head of an answer took.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"method"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m, m.attempts, m.seconds, m.rows, m.bytes, m.requests, m.answered)
	return m
}

// tried counts an attempt in.
func (m *metrics) tried(a desk.Attempt) {
	code := "ok"
	if a.Err != nil {
		code = string(offprint.CodeOf(a.Err))
	}
	m.attempts.WithLabelValues(a.Report, a.Format, code).Inc()
	m.seconds.WithLabelValues(a.Report, a.Format).Observe(a.Took.Seconds())
	m.rows.WithLabelValues(a.Report, a.Format).Add(float64(a.Rows))
	m.bytes.WithLabelValues(a.Report, a.Format).Add(float64(a.Bytes))
}

// Describe and Collect ask the ledger when somebody asks for the metrics.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.queued
	to <- m.running
	to <- m.age
	to <- m.free
}

func (m *metrics) Collect(to chan<- prometheus.Metric) {
	if free, _, err := m.blobs.Free(); err == nil { // some systems do not say, and a bucket has no end
		to <- prometheus.MustNewConstMetric(m.free, prometheus.GaugeValue, float64(free))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	census, err := m.desk.Census(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(m.queued, err)
		return
	}
	age := 0.0
	if !census.Oldest.IsZero() {
		age = m.desk.Now().Sub(census.Oldest).Seconds()
	}
	to <- prometheus.MustNewConstMetric(m.queued, prometheus.GaugeValue, float64(census.Queued))
	to <- prometheus.MustNewConstMetric(m.running, prometheus.GaugeValue, float64(census.Running))
	to <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, age)
}

// counted is next with its answers counted.
func (m *metrics) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, began: time.Now(), status: http.StatusOK}
		defer func() {
			method := r.Method
			if !known[method] {
				method = "other"
			}
			m.requests.WithLabelValues(method, strconv.Itoa(c.status)).Inc()
			m.answered.WithLabelValues(method).Observe(c.took.Seconds())
		}()
		next.ServeHTTP(c, r)
		c.begin(c.status)
	})
}

// known methods have a label of their own; a stranger's words never do.
var known = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

type counted struct {
	http.ResponseWriter
	began  time.Time
	status int
	took   time.Duration // until the head; 0 before
}

func (c *counted) begin(status int) {
	if c.took == 0 {
		c.status, c.took = status, time.Since(c.began)
	}
}

func (c *counted) WriteHeader(status int) {
	c.begin(status)
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	c.begin(http.StatusOK)
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// serve answers GET /metrics on a listener of its own, until ctx ends.
func (m *metrics) serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err := server.Close()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
