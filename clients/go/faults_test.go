package keyward

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const secretKey = "kw_secretsecretsecretsecretsecretsecretsecretsecr000000"

const allowedJSON = `{"valid":true,"verdict":"allowed","status":200,"detail":null,"key":{"key_id":7,` +
	`"name":"bot","tier":"basic","owner":null,"scopes":[],"expires_at":null,"metadata":{}},` +
	`"limit":null,"headers":{}}`

func withStatus(status, body string) string {
	return strings.Replace(whole(body), "200 OK", status, 1)
}

func changed(from, to string) string { return whole(strings.Replace(allowedJSON, from, to, 1)) }

func TestAResponseThatIsNoVerdictLetsNothingIn(t *testing.T) {
	faults := map[string]string{
		"silence":                 "silence",
		"hangs up":                "",
		"half a head":             whole(allowedJSON)[:20],
		"half a body":             whole(allowedJSON)[:100],
		"not HTTP":                "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"no length and no end":    "HTTP/1.1 200 OK\r\n\r\n",
		"500":                     withStatus("500 Internal Server Error", `{"detail":"x"}`),
		"503":                     withStatus("503 Service Unavailable", `{"detail":"x"}`),
		"a redirect":              withStatus("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", ""),
		"HTML":                    whole("<html>hello</html>"),
		"nothing":                 whole(""),
		"a list":                  whole("[]"),
		"a number":                whole("7"),
		"no object":               whole("null"),
		"not valid, not invalid":  changed(`"valid":true`, `"valid":null`),
		"valid as a text":         changed(`"valid":true`, `"valid":"true"`),
		"valid as a number":       changed(`"valid":true`, `"valid":1`),
		"allowed without a key":   whole(`{"valid":true,"verdict":"allowed","status":200,"key":null}`),
		"allowed with a half key": whole(`{"valid":true,"verdict":"allowed","status":200,"key":{}}`),
		"allowed with 401":        changed(`"status":200`, `"status":401`),
		"denied with 200":         whole(`{"valid":false,"verdict":"x","status":200,"detail":"x"}`),
		"denied without a detail": whole(`{"valid":false,"verdict":"x","status":401,"detail":null}`),
		"denied with 302":         whole(`{"valid":false,"verdict":"x","status":302,"detail":"x"}`),
		"headers of numbers":      changed(`"headers":{}`, `"headers":{"RateLimit":7}`),
		"headers of a list":       changed(`"headers":{}`, `"headers":[]`),
		"too long":                whole(strings.Repeat(" ", 3_000_000)),
	}
	for name, fault := range faults {
		log := ""
		started := startRelay(t, nil, func(int) string { return fault })
		guard := newGuard(t, Options{
			URL: started.url, Timeout: 300 * time.Millisecond, Log: func(line string) { log += line },
		})
		verdict := guard.Verify(context.Background(), Ask{Key: secretKey})
		if verdict.Allowed || !reflect.DeepEqual(verdict, unavailable()) {
			t.Errorf("%s: %v", name, verdict)
		}
		if !strings.Contains(log, "cannot be asked") || strings.Contains(log, "secret") {
			t.Errorf("%s: %s", name, log)
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := startRelay(t, nil, func(int) string { return whole(allowedJSON) })
	redirect := withStatus("307 Temporary Redirect\r\nLocation: "+elsewhere.url+"/verify", "")
	started := startRelay(t, nil, func(int) string { return redirect })
	guard := newGuard(t, Options{URL: started.url, Log: func(string) {}})
	verdict := guard.Verify(context.Background(), Ask{Key: secretKey})
	if verdict.Status != 503 || len(elsewhere.bodies) != 0 {
		t.Error("the key went elsewhere", verdict)
	}
}

func TestAWholeResponseLetsIn(t *testing.T) {
	started := startRelay(t, nil, func(int) string { return whole(allowedJSON) })
	guard := newGuard(t, Options{URL: started.url})
	if verdict := guard.Verify(context.Background(), Ask{Key: secretKey}); !verdict.Allowed {
		t.Error(verdict)
	}
}

func TestADeadKeywardIs503AndSaidOnceASecond(t *testing.T) {
	var log []string
	guard := newGuard(t, Options{
		URL: "http://127.0.0.1:1", Log: func(line string) { log = append(log, line) },
	})
	for i := 0; i < 20; i++ {
		if verdict := guard.Verify(context.Background(), Ask{Key: secretKey}); verdict.Status != 503 {
			t.Error(verdict)
		}
	}
	if len(log) == 0 || len(log) == 20 || !strings.Contains(log[0], "127.0.0.1:1") {
		t.Error(log)
	}
}

func TestALostResponseIsAskedForAgainAndTakenOnce(t *testing.T) {
	program := start(t)
	for _, lost := range []string{"", "silence"} {
		_, key := program.issue(aDay(100))
		started := startRelay(t, program, func(before int) string {
			if before == 0 {
				return lost
			}
			return "pass"
		})
		guard := newGuard(t, Options{URL: started.url, Timeout: 4 * time.Second})
		verdict := guard.Verify(context.Background(), Ask{Key: key})
		if !verdict.Allowed || verdict.Headers["X-RateLimit-Remaining"] != "99" {
			t.Error(verdict)
		}
		if len(started.bodies) != 2 || !reflect.DeepEqual(started.bodies[0], started.bodies[1]) {
			t.Error(len(started.bodies))
		}
	}
}

func TestConnectionsAreKeptAndEachCallHasAnIDOfItsOwn(t *testing.T) {
	program := start(t)
	_, key := program.issue(nil)
	started := startRelay(t, program, pass)
	guard := newGuard(t, Options{URL: started.url})
	for i := 0; i < 20; i++ {
		if verdict := guard.Verify(context.Background(), Ask{Key: key}); !verdict.Allowed {
			t.Error(verdict)
		}
	}
	ids := map[any]bool{}
	for _, body := range started.bodies {
		ids[body["request_id"]] = true
	}
	if started.connections != 1 || len(ids) != 20 {
		t.Error(started.connections, len(ids))
	}
}

func TestAResponseIsAskedForTwiceAtMost(t *testing.T) {
	started := startRelay(t, nil, func(int) string { return "" })
	guard := newGuard(t, Options{URL: started.url, Log: func(string) {}})
	guard.Verify(context.Background(), Ask{Key: secretKey})
	if len(started.bodies) != 2 {
		t.Error(len(started.bodies))
	}
}

func TestARestartOfKeywardGoesUnnoticed(t *testing.T) {
	program := start(t)
	guard := newGuard(t, Options{URL: "http://" + program.doors, Log: func(string) {}})
	_, key := program.issue(nil)
	expected := func(status int) {
		t.Helper()
		if verdict := guard.Verify(context.Background(), Ask{Key: key}); verdict.Status != status {
			t.Error(verdict)
		}
	}
	expected(200)
	program.stop()
	expected(503)
	program.start()
	expected(200)
	program.stop()
	program.start()
	expected(200)
}

func TestAClientThatHasGoneIsNoTrouble(t *testing.T) {
	started := startRelay(t, nil, func(int) string { return "silence" })
	guard := newGuard(t, Options{URL: started.url, Timeout: time.Hour, Log: func(line string) { t.Error(line) }})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if verdict := guard.Verify(ctx, Ask{Key: secretKey}); verdict.Status != 503 {
		t.Error(verdict)
	}
}

func TestADoorKeyIsNeededWhereKeywardAsksForOne(t *testing.T) {
	made, err := exec.Command(os.Getenv("KEYWARD_PROGRAM"), "door-key", "tests", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	read := struct {
		DoorKey string `json:"door_key"`
		Line    string
	}{}
	if err := json.Unmarshal(made, &read); err != nil {
		t.Fatal(err)
	}
	doorKey := read.DoorKey
	file := filepath.Join(t.TempDir(), "doors")
	if err := os.WriteFile(file, []byte(read.Line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := start(t, "KEYWARD_DOOR_KEYS_FILE="+file)
	_, key := program.issue(nil)
	log := ""
	status := func(options Options) int {
		options.Log = func(line string) { log += line }
		guard := newGuard(t, options)
		if shown := fmt.Sprintf("%v %+v %#v", guard, guard, guard); strings.Contains(shown, doorKey) {
			t.Error(shown)
		}
		return guard.Verify(context.Background(), Ask{Key: key}).Status
	}
	url := "http://" + program.doors
	if status(Options{URL: url}) != 503 || status(Options{URL: url, DoorKey: "wrong"}) != 503 {
		t.Error("let in without a door key")
	}
	if !strings.Contains(log, "set KEYWARD_DOOR_KEY") || strings.Contains(log, doorKey) {
		t.Error(log)
	}
	t.Setenv("KEYWARD_URL", url)
	t.Setenv("KEYWARD_DOOR_KEY", doorKey)
	if status(Options{URL: url, DoorKey: doorKey}) != 200 || status(Options{}) != 200 {
		t.Error(log)
	}
}

func TestTooManyWrongKeysAre429(t *testing.T) {
	program := start(t, "KEYWARD_FAILURES_PER_MINUTE=1")
	guard := program.guard(t)
	if verdict := guard.Verify(context.Background(), Ask{Key: "wrong-key"}); verdict.Status != 401 {
		t.Error(verdict)
	}
	verdict := guard.Verify(context.Background(), Ask{Key: "wrong-key"})
	if verdict.Status != 429 || verdict.Verdict != "flooded" || verdict.Headers["Retry-After"] == "1" {
		t.Error(verdict)
	}
	// A key that works is let in all the same.
	_, key := program.issue(nil)
	if verdict := guard.Verify(context.Background(), Ask{Key: key}); !verdict.Allowed {
		t.Error(verdict)
	}
}

func TestAQuestionThatDoesNotFitSaysWhere(t *testing.T) {
	body, err := json.Marshal(fields{"detail": []fields{{
		"loc": []any{"body", "scopes", 0}, "msg": "Input is odd", "input": secretKey,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	log := ""
	started := startRelay(t, nil, func(int) string { return withStatus("422 Bad", string(body)) })
	guard := newGuard(t, Options{URL: started.url, Log: func(line string) { log += line }})
	if verdict := guard.Verify(context.Background(), Ask{Key: secretKey}); verdict.Status != 503 {
		t.Error(verdict)
	}
	if !strings.HasSuffix(log, "body scopes 0: Input is odd") {
		t.Error(log)
	}
}

func TestAKeyIsNotPrinted(t *testing.T) {
	ask := Ask{Key: secretKey}
	shown := fmt.Sprintf("%v %+v %#v %v %+v %s", ask, ask, ask, &ask, []Ask{ask}, ask)
	if strings.Contains(shown, "secret") {
		t.Error(shown)
	}
}

func TestAnOptionThatDoesNotFitIsNamed(t *testing.T) {
	for _, known := range []struct {
		options Options
		part    string
	}{
		{Options{}, "KEYWARD_URL is not set"},
		{Options{URL: "127.0.0.1:8002"}, "KEYWARD_URL is no address"},
		{Options{URL: "ftp://127.0.0.1"}, "KEYWARD_URL is no address"},
		{Options{URL: "http://host:port"}, "KEYWARD_URL is no address"},
		{Options{URL: "http://user:hunter2@host"}, "KEYWARD_URL is no address"},
		{Options{URL: "http://host/?a=b"}, "KEYWARD_URL has more"},
		{Options{URL: "http://host", Timeout: -1}, "the timeout is"},
		{Options{URL: "http://host", DoorKey: "hunter2\r\n"}, "the door key"},
	} {
		_, err := New(known.options)
		if err == nil || !strings.Contains(err.Error(), known.part) || strings.Contains(err.Error(), "hunter2") {
			t.Error(known.options.URL, err)
		}
	}
}

func TestANeedThatDoesNotFitIsNamedAtTheStart(t *testing.T) {
	guard := newGuard(t, Options{URL: "http://127.0.0.1:1"})
	for part, need := range map[string]Need{
		`"Articles" is no scope`: {Scopes: []string{"Articles"}},
		`"a:*" is no scope`:      {Scopes: []string{"a:*"}},
		"9 scopes":               {Scopes: strings.Split("a:b a:b a:b a:b a:b a:b a:b a:b a:b", " ")},
		"the cost is -1":         {Cost: -1},
		"the cost is 1000001":    {Cost: 1_000_001},
		"the need is free":       {Cost: 2, Free: true},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, part) {
					t.Error(text)
				}
			}()
			guard.RequireAll(need)
		}()
	}
}
