// Package keyward guards an API in Go with Keyward: middleware of net/http, or a plain call.
//
// It is one file without dependencies; copy it, or require the module. It needs Go 1.19 or later.
package keyward

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	scopesMax      = 8
	costMax        = 1_000_000
	resourceLenMax = 128
	batchMax       = 100
	// A verdict has at most some 10 KiB, most of it metadata; a batch has 100 of them.
	responseLenMax = 2 << 20
	// Connections that are kept while idle; more may be open at a time.
	keptMax = 64
)

// Caller is a verified key. It has no secret in it, so it may be logged.
type Caller struct {
	KeyID  int64    `json:"key_id"`
	Name   string   `json:"name"`
	Tier   string   `json:"tier"`
	Owner  *string  `json:"owner"` // nil is none
	Scopes []string `json:"scopes"`
	// RFC 3339; nil is never.
	ExpiresAt *string        `json:"expires_at"`
	Metadata  map[string]any `json:"metadata"`
}

// Verdict says whether a request may go on, and what its client is to get: a request that is not
// Allowed gets Status, Headers and {"detail": Detail}; the response of one that is gets Headers in
// addition to its own.
type Verdict struct {
	Allowed bool              `json:"valid"`
	Status  int               `json:"status"`
	Detail  string            `json:"detail"` // for the client; empty if the request is allowed
	Headers map[string]string `json:"headers"`
	// The key, where it was verified; also of a key that is limited, revoked and so on.
	Caller *Caller `json:"key"`
	// The reason in a word, for your log. Do not show it to the client: it tells a revoked key from
	// one that never existed.
	Verdict string `json:"verdict"`
}

// The texts of Keyward's own rejections, to the letter.
func missing() Verdict {
	return rejection("missing", 401, "Missing Authorization header", "WWW-Authenticate", "Bearer")
}

func malformed() Verdict {
	detail := "Invalid Authorization format. Use: Bearer YOUR_API_KEY"
	return rejection("malformed", 401, detail, "WWW-Authenticate", `Bearer error="invalid_request"`)
}

func several() Verdict {
	detail := "More than one API key in the request"
	return rejection("ambiguous", 400, detail, "WWW-Authenticate", `Bearer error="invalid_request"`)
}

func unknown() Verdict {
	detail := "Invalid or inactive API key"
	return rejection("unknown", 401, detail, "WWW-Authenticate", `Bearer error="invalid_token"`)
}

func unavailable() Verdict {
	return rejection("unavailable", 503, "Service Unavailable", "Retry-After", "1")
}

// Too many wrong keys came from the client's address.
func flooded(retryAfter string) Verdict {
	if _, err := strconv.ParseUint(retryAfter, 10, 31); err != nil {
		retryAfter = "1"
	}
	return rejection("flooded", 429, "Rate limit exceeded", "Retry-After", retryAfter)
}

func rejection(verdict string, status int, detail, header, text string) Verdict {
	headers := map[string]string{header: text}
	return Verdict{Status: status, Detail: detail, Headers: headers, Verdict: verdict}
}

// Need says what a route needs of a key. The zero value is any key that works, as one request.
type Need struct {
	// All of them; at most 8.
	Scopes []string
	// How many ordinary requests it counts as: 1 to 1 000 000; 0 is 1.
	Cost int
	// Judges without taking anything from the limits.
	Free bool
	// The route, such as "GET /articles/{id}", for Keyward's access log; at most 128 characters.
	// Never a path with ids in it.
	Resource string
}

// Ask is one question about the text of a key. It prints without the key.
type Ask struct {
	Need
	Key string
	// The address of the end client. Without one, a key that is restricted to networks is denied; a
	// text that is no IP address counts as none.
	Address string
}

// String leaves the key out.
func (ask Ask) String() string { return fmt.Sprintf("{Key:… Need:%+v}", ask.Need) }

// GoString leaves the key out.
func (ask Ask) GoString() string { return ask.String() }

// Options of a Guard; the zero value takes all of them from the environment.
type Options struct {
	// Where doors_listen is, such as "http://127.0.0.1:8002"; by default the variable KEYWARD_URL.
	URL string
	// The door key, where Keyward has a door_keys_file; by default the variable KEYWARD_DOOR_KEY.
	DoorKey string
	// For all of a check; by default a second. Half of it is for a first try, the rest for a second
	// one with the same request id, so that the limits are taken from once.
	Timeout time.Duration
	// For an https address; by default the authorities of the system.
	TLS *tls.Config
	// Where the client's address is; by default the peer of the connection. After a proxy that you
	// trust, read it from a header that the proxy overwrites in every request.
	Address func(*http.Request) string
	// Gets a line about why requests get 503, at most once a second; by default log.Print.
	Log func(line string)
}

// Guard asks one Keyward. Make one for all of a process; goroutines may share it.
type Guard struct {
	url       string
	shown     string
	doorKey   string
	timeout   time.Duration
	client    *http.Client
	address   func(*http.Request) string
	log       func(string)
	quietFrom atomic.Int64
}

// New returns an error that names the option or variable that does not fit.
func New(options Options) (*Guard, error) {
	text := options.URL
	if text == "" {
		text = os.Getenv("KEYWARD_URL")
	}
	if text == "" {
		return nil, errors.New("KEYWARD_URL is not set: set it to the doors, as http://127.0.0.1:8002")
	}
	parsed, err := url.Parse(text)
	// The text is not shown, for it may contain a password.
	if err != nil || parsed.Host == "" || parsed.User != nil ||
		(parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, errors.New("KEYWARD_URL is no address: write it as http://127.0.0.1:8002")
	}
	if parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, errors.New("KEYWARD_URL has more than an address and a path: remove the rest")
	}
	doorKey := options.DoorKey
	if doorKey == "" {
		doorKey = os.Getenv("KEYWARD_DOOR_KEY")
	}
	if doorKey != "" && !visible.MatchString(doorKey) {
		return nil, errors.New("the door key has characters that no door key has")
	}
	guard := &Guard{
		url:     strings.TrimSuffix(parsed.String(), "/"),
		shown:   parsed.Host,
		doorKey: doorKey,
		timeout: options.Timeout,
		address: options.Address,
		log:     options.Log,
	}
	if guard.timeout == 0 {
		guard.timeout = time.Second
	}
	if guard.timeout < 0 {
		return nil, fmt.Errorf("the timeout is %v: use one above 0", guard.timeout)
	}
	if guard.address == nil {
		guard.address = Peer
	}
	if guard.log == nil {
		guard.log = func(line string) { log.Print(line) }
	}
	// A transport of its own, which reads no proxy from the environment, and no redirect is
	// followed: keys go to Keyward alone.
	guard.client = &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: guard.timeout}).DialContext,
			TLSClientConfig:     options.TLS,
			MaxIdleConnsPerHost: keptMax,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return guard, nil
}

// String leaves the door key out.
func (guard *Guard) String() string { return "keyward.Guard(" + guard.shown + ")" }

// GoString leaves the door key out.
func (guard *Guard) GoString() string { return guard.String() }

// Close closes the idle connections.
func (guard *Guard) Close() { guard.client.CloseIdleConnections() }

type callerKey struct{}

// From returns the caller of a request that Require let in, and nil where there is no guard.
func From(ctx context.Context) *Caller {
	caller, _ := ctx.Value(callerKey{}).(*Caller)
	return caller
}

// Peer is the address of the other end of the connection. No header is read.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// Require is middleware that lets a request in if its key works and has all of the scopes. The
// handler gets the caller from From. A scope that is no scope panics here, at the start.
func (guard *Guard) Require(scopes ...string) func(http.Handler) http.Handler {
	return guard.RequireAll(Need{Scopes: scopes})
}

// RequireAll is Require with a cost and a route.
func (guard *Guard) RequireAll(need Need) func(http.Handler) http.Handler {
	if err := need.check(); err != nil {
		panic("keyward: " + err.Error())
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			verdict := guard.Check(r.Context(), r.Header, guard.address(r), need)
			if !verdict.Allowed {
				verdict.Reject(w)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, verdict.Caller))
			completing := &completer{ResponseWriter: w, told: verdict.Headers}
			next.ServeHTTP(completing, r)
			completing.complete()
		})
	}
}

// Reject responds with a verdict that is not Allowed.
func (verdict Verdict) Reject(w http.ResponseWriter) {
	complete(w.Header(), verdict.Headers)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(verdict.Status)
	body := bytes.Buffer{}
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(map[string]string{"detail": verdict.Detail}) == nil {
		// A client that has gone needs no response.
		_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	}
}

// Check finds the key in the headers of a request, and judges it.
func (guard *Guard) Check(ctx context.Context, headers http.Header, address string, need Need) Verdict {
	key, rejected := find(headers)
	if rejected != nil {
		return *rejected
	}
	return guard.Verify(ctx, Ask{Need: need, Key: key, Address: address})
}

// Verify judges the text of a key, and takes the cost from its limits if it is let in. Where Keyward
// cannot be asked, the verdict is 503.
func (guard *Guard) Verify(ctx context.Context, ask Ask) Verdict {
	return guard.VerifyBatch(ctx, []Ask{ask})[0]
}

// VerifyBatch judges up to 100 keys in one request, in order, each with its own take.
func (guard *Guard) VerifyBatch(ctx context.Context, asks []Ask) []Verdict {
	verdicts := make([]Verdict, len(asks))
	var items []item
	var at []int
	for i, ask := range asks {
		if !isKey(ask.Key) {
			verdicts[i] = unknown()
			continue
		}
		verdicts[i] = unavailable()
		made, err := ask.item()
		if err != nil {
			guard.report(err.Error())
			return verdicts
		}
		items, at = append(items, made), append(at, i)
	}
	if len(items) == 0 {
		return verdicts
	}
	read, err := guard.ask(ctx, items)
	// A client that has gone is no trouble of Keyward.
	if err != nil && ctx.Err() == nil {
		guard.report(err.Error())
	}
	for i, verdict := range read {
		verdicts[at[i]] = verdict
	}
	return verdicts
}

type item struct {
	Key       string   `json:"key"`
	Scopes    []string `json:"scopes,omitempty"`
	Cost      int      `json:"cost"`
	Address   string   `json:"address,omitempty"`
	Resource  string   `json:"resource,omitempty"`
	RequestID string   `json:"request_id"`
}

func (ask Ask) item() (item, error) {
	if err := ask.check(); err != nil {
		return item{}, err
	}
	// Of this call alone: with it, a second try takes nothing more from the limits.
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return item{}, fmt.Errorf("the system gives no randomness: %w", err)
	}
	made := item{Key: ask.Key, Scopes: ask.Scopes, Cost: ask.Cost, RequestID: hex.EncodeToString(id)}
	if ask.Cost == 0 && !ask.Free {
		made.Cost = 1
	}
	// Without the zone, which means something on this machine only.
	if address, err := netip.ParseAddr(ask.Address); err == nil {
		made.Address = address.WithZone("").String()
	}
	if len(ask.Resource) <= resourceLenMax {
		made.Resource = ask.Resource
	}
	return made, nil
}

var scopeForm = regexp.MustCompile(`^[a-z0-9_.-]+:[a-z0-9_.-]+$`)

func (need Need) check() error {
	for _, scope := range need.Scopes {
		if !scopeForm.MatchString(scope) {
			return fmt.Errorf("%q is no scope: write resource:action in a-z 0-9 _ . -", scope)
		}
	}
	if len(need.Scopes) > scopesMax {
		return fmt.Errorf("%d scopes: ask for at most %d", len(need.Scopes), scopesMax)
	}
	if need.Cost < 0 || need.Cost > costMax {
		return fmt.Errorf("the cost is %d: use 0 to %d", need.Cost, costMax)
	}
	if need.Free && need.Cost != 0 {
		return fmt.Errorf("the cost is %d and the need is free: leave one of them out", need.Cost)
	}
	return nil
}

// ask returns an error whose text never contains a key.
func (guard *Guard) ask(ctx context.Context, items []item) ([]Verdict, error) {
	if len(items) > batchMax {
		return nil, fmt.Errorf("%d keys: ask about at most %d at a time", len(items), batchMax)
	}
	path, question := "/verify", any(items[0])
	if len(items) > 1 {
		path, question = "/verify/batch", map[string]any{"requests": items}
	}
	body, err := json.Marshal(question)
	if err != nil {
		return nil, errors.New("the question cannot be written as JSON")
	}
	ctx, cancel := context.WithTimeout(ctx, guard.timeout)
	defer cancel()
	reply, err := guard.post(ctx, guard.timeout/2, path, body)
	if err != nil && ctx.Err() == nil {
		// The kept connections may all have been closed meanwhile.
		guard.client.CloseIdleConnections()
		reply, err = guard.post(ctx, guard.timeout, path, body)
	}
	if err != nil {
		return nil, err
	}
	return reply.verdicts(len(items))
}

type reply struct {
	status     int
	retryAfter string
	body       []byte
}

func (guard *Guard) post(
	ctx context.Context, timeout time.Duration, path string, body []byte,
) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "POST", guard.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("KEYWARD_URL is no address")
	}
	request.Header.Set("Content-Type", "application/json")
	if guard.doorKey != "" {
		request.Header.Set("X-Keyward-Door", guard.doorKey)
	}
	response, err := guard.client.Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(io.LimitReader(response.Body, responseLenMax+1))
	if err != nil {
		return nil, unreachable(err)
	}
	if len(read) > responseLenMax {
		return nil, errors.New("its response is too long")
	}
	return &reply{response.StatusCode, response.Header.Get("Retry-After"), read}, nil
}

func unreachable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no response in time")
	}
	wrapped := &url.Error{}
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func (reply *reply) verdicts(count int) ([]Verdict, error) {
	switch reply.status {
	case 200:
	case 429:
		verdicts := make([]Verdict, count)
		for i := range verdicts {
			verdicts[i] = flooded(reply.retryAfter)
		}
		return verdicts, nil
	case 401:
		return nil, errors.New("it rejects the door key: set KEYWARD_DOOR_KEY to one whose line is in " +
			"its door_keys_file")
	case 403:
		return nil, errors.New("it does not accept connections from this machine: add its address to " +
			"door_networks")
	case 404:
		return nil, errors.New("nothing is there: set KEYWARD_URL to the address of doors_listen")
	case 422:
		return nil, errors.New("it rejects the question: " + faults(reply.body))
	default:
		return nil, fmt.Errorf("it responds with %d", reply.status)
	}
	// The error of json would quote the body.
	batch := struct {
		Results []Verdict `json:"results"`
	}{}
	if count == 1 {
		batch.Results = make([]Verdict, 1)
		if json.Unmarshal(reply.body, &batch.Results[0]) != nil {
			return nil, errors.New("its response is no verdict")
		}
	} else if json.Unmarshal(reply.body, &batch) != nil || len(batch.Results) != count {
		return nil, errors.New("its response is no list of as many verdicts")
	}
	for _, verdict := range batch.Results {
		allowed := verdict.Status == 200 && verdict.Caller != nil && verdict.Caller.KeyID != 0
		denied := verdict.Status >= 400 && verdict.Status < 600 && verdict.Detail != ""
		if (verdict.Allowed && !allowed) || (!verdict.Allowed && !denied) || verdict.Verdict == "" {
			return nil, errors.New("its response is no verdict")
		}
	}
	return batch.Results, nil
}

// faults says where a question does not fit. What was sent there is left out.
func faults(body []byte) string {
	read := struct {
		Detail []struct {
			Loc []any  `json:"loc"`
			Msg string `json:"msg"`
		} `json:"detail"`
	}{}
	if json.Unmarshal(body, &read) != nil || len(read.Detail) == 0 {
		return "it does not say why"
	}
	var texts []string
	for _, fault := range read.Detail {
		texts = append(texts, strings.Trim(fmt.Sprint(fault.Loc), "[]")+": "+fault.Msg)
	}
	return strings.Join(texts, "; ")
}

// report says in the log why requests get 503, at most once a second.
func (guard *Guard) report(text string) {
	now, quiet := time.Now().UnixNano(), guard.quietFrom.Load()
	if now-quiet < int64(time.Second) || !guard.quietFrom.CompareAndSwap(quiet, now) {
		return
	}
	guard.log(fmt.Sprintf("Keyward at %s cannot be asked, so requests get 503: %s", guard.shown, text))
}

var (
	bearerForm  = regexp.MustCompile(`^(?i:bearer) +([!-~]+) *$`)
	visible     = regexp.MustCompile(`^[!-~]+$`)
	keyForm     = regexp.MustCompile(`^[!-~]{1,512}$`)
	schemeToken = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")
)

func isKey(text string) bool { return keyForm.MatchString(text) }

// find finds the one key of a request, or the verdict that rejects it, by the rules of Keyward
// itself: clients/cases.json has them as a table, which all clients and the server pass.
func find(headers http.Header) (string, *Verdict) {
	bearers, keys := lines(headers, "Authorization"), lines(headers, "X-Api-Key")
	rejected := malformed()
	var key string
	switch {
	case len(bearers) > 1 || len(keys) > 1:
		rejected = several()
		return "", &rejected
	case len(bearers) == 0 && len(keys) == 0:
		rejected = missing()
		return "", &rejected
	case len(bearers) == 0:
		key = keys[0]
	default:
		bearer := bearerForm.FindStringSubmatch(bearers[0])
		switch {
		case bearer != nil && len(keys) == 1:
			rejected = several()
			return "", &rejected
		case bearer != nil:
			key = bearer[1]
		// Credentials of another scheme may be for a proxy in front.
		case len(keys) == 1 && hasAnotherScheme(bearers[0]):
			key = keys[0]
		default:
			return "", &rejected
		}
	}
	// A text that can be no key is that of an unknown one, and stays in this process.
	if !isKey(key) {
		rejected = unknown()
		return "", &rejected
	}
	return key, nil
}

// A line without a value is as if it were not there.
func lines(headers http.Header, name string) (found []string) {
	for _, line := range headers.Values(name) {
		if strings.Trim(line, " \t") != "" {
			found = append(found, line)
		}
	}
	return found
}

func hasAnotherScheme(line string) bool {
	scheme, _, _ := strings.Cut(strings.Trim(line, " \t"), " ")
	return schemeToken.MatchString(scheme) && !strings.EqualFold(scheme, "bearer")
}

// A completer adds the header fields of a verdict when the response begins, after the handler has
// set its own.
type completer struct {
	http.ResponseWriter
	told map[string]string
	done bool
}

func (w *completer) complete() {
	if !w.done {
		w.done = true
		complete(w.Header(), w.told)
	}
}

func (w *completer) WriteHeader(status int) {
	// An interim response (1xx) is followed by the response.
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.complete()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *completer) Write(body []byte) (int, error) {
	w.complete()
	return w.ResponseWriter.Write(body)
}

// Flush is for handlers that stream.
func (w *completer) Flush() {
	w.complete()
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// Hijack is for websockets.
func (w *completer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("this connection cannot be taken over")
	}
	return hijacker.Hijack()
}

// Unwrap is for http.ResponseController.
func (w *completer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A cache on the way must not hand out what an X-API-Key opened, so that the response varies by it;
// a Cache-Control of the handler is kept.
func complete(headers http.Header, told map[string]string) {
	for name, text := range told {
		if !strings.EqualFold(name, "Vary") && !strings.EqualFold(name, "Cache-Control") {
			headers.Set(name, text)
		}
	}
	var named []string
	for _, part := range strings.Split(strings.Join(headers.Values("Vary"), ","), ",") {
		if part = strings.TrimSpace(part); part != "" {
			named = append(named, part)
		}
	}
	for _, name := range []string{"Authorization", "X-API-Key"} {
		if !contains(named, "*") && !contains(named, name) {
			named = append(named, name)
		}
	}
	headers.Set("Vary", strings.Join(named, ", "))
	if headers.Get("Cache-Control") == "" {
		headers.Set("Cache-Control", "private, no-cache")
	}
}

func contains(texts []string, wanted string) bool {
	for _, text := range texts {
		if strings.EqualFold(text, wanted) {
			return true
		}
	}
	return false
}
