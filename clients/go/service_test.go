package keyward

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
)

type article struct {
	ID          int     `json:"id"`
	Title       string  `json:"title"`
	URL         string  `json:"url"`
	Description *string `json:"description"`
	Source      string  `json:"source"`
	Category    string  `json:"category"`
	PublishedAt string  `json:"published_at"`
}

func articles() []article {
	found := []article{}
	for id := 30; id > 0; id-- {
		made := article{ID: id, Title: fmt.Sprint("Article ", id), Source: "Example", Category: "science"}
		made.URL = fmt.Sprint("https://news.example/", id)
		made.PublishedAt = fmt.Sprintf("2026-11-%02dT09:30:00Z", id)
		if id%3 == 0 {
			made.Category = "sport"
		}
		found = append(found, made)
	}
	return found
}

func listArticles(w http.ResponseWriter, r *http.Request) {
	query, found := r.URL.Query(), []article{}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 20
	}
	for _, known := range articles() {
		category, source := query.Get("category"), query.Get("source")
		fits := (category == "" || category == known.Category) && (source == "" || source == known.Source)
		if fits && len(found) < limit {
			found = append(found, known)
		}
	}
	write(w, map[string]any{"articles": found, "count": len(found)})
}

func write(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}

func whoami(w http.ResponseWriter, r *http.Request) {
	caller := From(r.Context())
	write(w, map[string]any{"name": caller.Name, "tier": caller.Tier, "scopes": caller.Scopes})
}

// A service of articles, and more routes.
func service(guard *Guard) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, need Need, handler http.HandlerFunc) {
		mux.Handle(path, guard.RequireAll(need)(handler))
	}
	requireAPIKey := guard.Require()
	mux.Handle("/articles", requireAPIKey(http.HandlerFunc(listArticles)))
	mux.Handle("/whoami", requireAPIKey(http.HandlerFunc(whoami)))
	all := func(w http.ResponseWriter, r *http.Request) { write(w, "all") }
	handle("/articles/", Need{Scopes: []string{"articles:read"}, Resource: "GET /articles/{id}"}, all)
	handle("/export", Need{Cost: 5}, all)
	handle("/dear", Need{Cost: 1000}, all)
	handle("/own", Need{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "public, max-age=9")
		w.WriteHeader(410)
	})
	handle("/empty", Need{}, func(http.ResponseWriter, *http.Request) {})
	handle("/stream", Need{}, func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() })
	handle("/raw", Need{}, func(w http.ResponseWriter, r *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = connection.Write([]byte("HTTP/1.1 299 Raw\r\nContent-Length: 0\r\n\r\n"))
			connection.Close()
		}
	})
	return mux
}

func expect(t *testing.T, got response, status int, body string) {
	t.Helper()
	if got.status != status || string(got.body) != body {
		t.Errorf("%d %s, and %d %s was expected", got.status, got.body, status, body)
	}
}

func expectHeader(t *testing.T, got response, name, value string) {
	t.Helper()
	if found := got.headers.Get(name); found != value {
		t.Errorf("%s: %s, and %s was expected", name, found, value)
	}
}

func TestTheCurlsOfTheTutorial(t *testing.T) {
	program := start(t)
	address := serve(t, service(program.guard(t)))
	id, key := program.issue(fields{"name": "my-app", "tier": "basic"})
	get := func(path string, lines [][2]string) response {
		t.Helper()
		return send(t, address, "GET", path, lines)
	}
	listed := struct {
		Articles []article
		Count    int
	}{}
	first := get("/articles", bearer(key))
	if err := json.Unmarshal(first.body, &listed); err != nil || first.status != 200 {
		t.Fatal(first.status, err)
	}
	if listed.Count != 20 || !reflect.DeepEqual(listed.Articles, articles()[:20]) {
		t.Errorf("%s", first.body)
	}
	expectHeader(t, first, "X-RateLimit-Remaining", "99")
	some := get("/articles?category=science&limit=3", bearer(key))
	if err := json.Unmarshal(some.body, &listed); err != nil || listed.Count != 3 {
		t.Errorf("%s", some.body)
	}
	expect(t, get("/articles?source=nowhere", bearer(key)), 200, `{"articles":[],"count":0}`)

	missing := get("/articles", nil)
	expect(t, missing, 401, `{"detail":"Missing Authorization header"}`)
	expectHeader(t, missing, "WWW-Authenticate", "Bearer")
	expectHeader(t, missing, "Content-Type", "application/json")
	malformed := get("/articles", [][2]string{{"Authorization", key}})
	expect(t, malformed, 401, `{"detail":"Invalid Authorization format. Use: Bearer YOUR_API_KEY"}`)
	expect(t, get("/articles", bearer("wrong-key")), 401, `{"detail":"Invalid or inactive API key"}`)

	if status, _ := program.admin("DELETE", fmt.Sprint("/admin/api-keys/", id), nil); status != 204 {
		t.Error(status)
	}
	revoked := get("/articles", bearer(key))
	expect(t, revoked, 401, `{"detail":"Invalid or inactive API key"}`)
	expectHeader(t, revoked, "WWW-Authenticate", `Bearer error="invalid_token"`)
}

func TestAHandlerGetsTheCallerAndItsClientTheLimits(t *testing.T) {
	program := start(t)
	address := serve(t, service(program.guard(t)))
	_, key := program.issue(fields{"scopes": []string{"articles:read"}})
	got := send(t, address, "GET", "/whoami", bearer(key))
	expect(t, got, 200, `{"name":"weather-bot","scopes":["articles:read"],"tier":"basic"}`)
	expectHeader(t, got, "RateLimit-Policy", `"requests";q=100;w=60`)
	if !strings.HasPrefix(got.headers.Get("RateLimit"), `"requests";r=99;t=`) {
		t.Error(got.headers)
	}
	expectHeader(t, got, "Vary", "Authorization, X-API-Key")
	expectHeader(t, got, "Cache-Control", "private, no-cache")

	own := send(t, address, "GET", "/own", bearer(key))
	expect(t, own, 410, "")
	expectHeader(t, own, "Vary", "Accept, Authorization, X-API-Key")
	expectHeader(t, own, "Cache-Control", "public, max-age=9")
	for i, path := range []string{"/empty", "/stream"} {
		got := send(t, address, "GET", path, bearer(key))
		expectHeader(t, got, "X-RateLimit-Remaining", strconv.Itoa(97-i))
	}
	if got := send(t, address, "GET", "/raw", bearer(key)); got.status != 299 {
		t.Error(got.status)
	}
	expect(t, send(t, address, "HEAD", "/whoami", nil), 401, "")
}

func TestAKeyNeedsTheScopeAndPaysTheCost(t *testing.T) {
	program := start(t)
	address := serve(t, service(program.guard(t)))
	_, key := program.issue(aDay(11))
	denied := send(t, address, "GET", "/articles/7", bearer(key))
	expect(t, denied, 403, `{"detail":"Insufficient scope"}`)
	challenge := `Bearer error="insufficient_scope", scope="articles:read"`
	expectHeader(t, denied, "WWW-Authenticate", challenge)
	for _, left := range []string{"6", "1"} {
		got := send(t, address, "GET", "/export", bearer(key))
		expect(t, got, 200, `"all"`)
		expectHeader(t, got, "X-RateLimit-Remaining", left)
	}
	limited := send(t, address, "GET", "/export", bearer(key))
	expect(t, limited, 429, `{"detail":"Rate limit exceeded"}`)
	if seconds, err := strconv.Atoi(limited.headers.Get("Retry-After")); err != nil || seconds < 1 {
		t.Error(limited.headers)
	}
	dear := send(t, address, "GET", "/dear", bearer(key))
	expect(t, dear, 403, `{"detail":"Request costs more than its limit ever allows"}`)
}

func TestALimitIsNeverExceededByParallelRequests(t *testing.T) {
	program := start(t)
	guard := newGuard(t, Options{URL: "http://" + program.doors})
	_, key := program.issue(aDay(50))
	verdicts := make(chan Verdict, 200)
	var all sync.WaitGroup
	for i := 0; i < 200; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			verdicts <- guard.Verify(context.Background(), Ask{Key: key})
		}()
	}
	all.Wait()
	close(verdicts)
	counts := map[int]int{}
	for verdict := range verdicts {
		counts[verdict.Status]++
	}
	if counts[200] != 50 || counts[429] != 150 {
		t.Error(counts)
	}
}

func TestAnAddressIsThatOfTheConnectionOrThatOfTheApp(t *testing.T) {
	program := start(t)
	_, key := program.issue(fields{"networks": []string{"10.0.0.0/8"}})
	forged := append(bearer(key), [2]string{"X-Forwarded-For", "10.1.2.3"})
	got := send(t, serve(t, service(program.guard(t))), "GET", "/whoami", forged)
	expect(t, got, 403, `{"detail":"Address not allowed"}`)
	internal := newGuard(t, Options{
		URL:     "http://" + program.doors,
		Address: func(*http.Request) string { return "10.1.2.3" },
	})
	if got := send(t, serve(t, service(internal)), "GET", "/whoami", bearer(key)); got.status != 200 {
		t.Error(got.status)
	}
	// A text that is no address is no reason for 503.
	verdict := internal.Verify(context.Background(), Ask{Key: key, Address: "pipe"})
	if verdict.Status != 403 {
		t.Error(verdict)
	}
}

func TestASuspendedKeyIsDeniedLikeAnUnknownOneAndLetInAgain(t *testing.T) {
	program := start(t)
	guard := program.guard(t)
	address := serve(t, service(guard))
	id, key := program.issue(nil)
	program.admin("POST", fmt.Sprint("/admin/api-keys/", id, "/suspend"), fields{})
	got := send(t, address, "GET", "/whoami", bearer(key))
	expect(t, got, 401, `{"detail":"Invalid or inactive API key"}`)
	if verdict := guard.Verify(context.Background(), Ask{Key: key}); verdict.Verdict != "suspended" {
		t.Error(verdict)
	}
	program.admin("POST", fmt.Sprint("/admin/api-keys/", id, "/resume"), fields{})
	if got := send(t, address, "GET", "/whoami", bearer(key)); got.status != 200 {
		t.Error(got.status)
	}
}

func TestABatchHasAVerdictForEach(t *testing.T) {
	program := start(t)
	guard := program.guard(t)
	_, key := program.issue(aDay(50))
	verdicts := guard.VerifyBatch(context.Background(), []Ask{
		{Key: key},
		{Key: "no key at all"},
		{Key: "wrong-key"},
		{Key: key, Need: Need{Scopes: []string{"a:b"}}},
		{Key: key, Need: Need{Cost: 7}},
	})
	words := []string{"allowed", "unknown", "unknown", "out_of_scope", "allowed"}
	for i, verdict := range verdicts {
		if verdict.Verdict != words[i] {
			t.Errorf("%d: %v", i, verdict)
		}
	}
	// Judged, and nothing taken.
	judged := guard.Verify(context.Background(), Ask{Key: key, Need: Need{Free: true}})
	if left := judged.Headers["X-RateLimit-Remaining"]; left != "42" {
		t.Error(left)
	}
}
