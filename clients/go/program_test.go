package keyward

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const adminKey = "0123456789abcdef0123456789abcdef"

// The real program with doors, on free ports, in a directory of its own.
type program struct {
	t             *testing.T
	folder        string
	settings      []string
	public, doors string
	command       *exec.Cmd
}

func start(t *testing.T, settings ...string) *program {
	t.Helper()
	started := &program{t: t, folder: t.TempDir(), settings: settings}
	started.public, started.doors = "127.0.0.1:0", "127.0.0.1:0"
	started.start()
	t.Cleanup(started.stop)
	return started
}

func (p *program) start() {
	p.t.Helper()
	p.command = exec.Command(os.Getenv("KEYWARD_PROGRAM"), "serve", "--listen", p.public)
	p.command.Dir = p.folder
	p.command.Env = append(p.settings, "ADMIN_API_KEY="+adminKey, "KEYWARD_DOORS_LISTEN="+p.doors)
	p.command.Stderr = os.Stderr
	output, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	found := map[string]string{}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		name, address, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		found[name] = strings.TrimPrefix(strings.TrimSpace(address), "http://")
		if found["listening"] != "" && found["doors"] != "" {
			p.public, p.doors = found["listening"], found["doors"]
			return
		}
	}
	p.t.Fatal("the program did not start")
}

func (p *program) stop() {
	// One that was stopped already is gone.
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

func (p *program) guard(t *testing.T) *Guard {
	t.Helper()
	return newGuard(t, Options{URL: "http://" + p.doors})
}

func newGuard(t *testing.T, options Options) *Guard {
	t.Helper()
	if options.Timeout == 0 {
		// Where a test is not about time, a machine that is busy may take its own.
		options.Timeout = 30 * time.Second
	}
	guard, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	return guard
}

func (p *program) admin(method, path string, body any) (int, map[string]any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	request, err := http.NewRequest(method, "http://"+p.public+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("X-Admin-Key", adminKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	read := map[string]any{}
	_ = json.NewDecoder(response.Body).Decode(&read) // A 204 has no body.
	return response.StatusCode, read
}

type fields map[string]any

// One limit, of which nothing comes back while a test runs.
func aDay(amount int) fields {
	limit := fields{"name": "requests", "amount": amount, "per": "1d", "burst": amount}
	return fields{"limits": []fields{limit}}
}

// A new key: its id and its secret.
func (p *program) issue(more fields) (int, string) {
	p.t.Helper()
	body := fields{"name": "weather-bot"}
	for name, value := range more {
		body[name] = value
	}
	status, issued := p.admin("POST", "/admin/api-keys", body)
	if status != 201 {
		p.t.Fatal(issued)
	}
	return int(issued["key_id"].(float64)), issued["api_key"].(string)
}

// Makes every key of the table work, and returns their names.
func (p *program) takeInCases(cases []tableCase) map[string]string {
	p.t.Helper()
	names := map[string]string{}
	rows := ""
	for i, known := range cases {
		if known.Key != "" && names[known.Key] == "" {
			names[known.Key] = fmt.Sprintf("case-%d", i)
			digest := sha256.Sum256([]byte(known.Key))
			rows += fmt.Sprintf("{\"name\":%q,\"digest\":\"%x\",\"limits\":[]}\n", names[known.Key], digest)
		}
	}
	file := filepath.Join(p.folder, "cases.jsonl")
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		p.t.Fatal(err)
	}
	keyward := exec.Command(os.Getenv("KEYWARD_PROGRAM"), "import", file, "--server", "http://"+p.public)
	keyward.Env = []string{"ADMIN_API_KEY=" + adminKey}
	if output, err := keyward.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, output)
	}
	return names
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

type response struct {
	status  int
	headers http.Header
	body    []byte
}

// A request with header lines to the byte, and its response.
func send(t *testing.T, address, method, path string, lines [][2]string) response {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	head := method + " " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
	for _, line := range lines {
		head += line[0] + ": " + line[1] + "\r\n"
	}
	if _, err := io.WriteString(connection, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	request := &http.Request{Method: method}
	read, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Body.Close()
	body, err := io.ReadAll(read.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{read.StatusCode, read.Header, body}
}

func bearer(key string) [][2]string { return [][2]string{{"Authorization", "Bearer " + key}} }

// In front of the program. A fault takes the place of a response that it has fetched: bytes, "" to
// hang up, "silence", or "pass".
type relay struct {
	url         string
	lock        sync.Mutex
	connections int
	bodies      []map[string]any
}

func startRelay(t *testing.T, upstream *program, fault func(before int) string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	started := &relay{url: "http://" + listener.Addr().String()}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			started.lock.Lock()
			started.connections++
			started.lock.Unlock()
			go started.serve(connection, upstream, fault)
		}
	}()
	return started
}

func (r *relay) serve(connection net.Conn, upstream *program, fault func(before int) string) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		read := map[string]any{}
		_ = json.Unmarshal(body, &read) // The client writes JSON.
		r.lock.Lock()
		before := len(r.bodies)
		r.bodies = append(r.bodies, read)
		r.lock.Unlock()
		sent := ""
		if upstream != nil {
			sent = upstream.exchange(body)
		}
		switch faulty := fault(before); faulty {
		case "pass":
		case "silence":
			// Until the client hangs up.
			_, _ = reader.ReadByte()
			return
		default:
			sent = faulty
		}
		if sent == "" {
			return
		}
		if _, err := io.WriteString(connection, sent); err != nil {
			return
		}
	}
}

// The response of the program, as bytes.
func (p *program) exchange(body []byte) string {
	address := "http://" + p.doors + "/verify"
	got, err := http.Post(address, "application/json", bytes.NewReader(body))
	if err != nil {
		return ""
	}
	defer got.Body.Close()
	read, err := io.ReadAll(got.Body)
	if err != nil {
		return ""
	}
	return whole(string(read))
}

func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", len(body), body)
}

func pass(int) string { return "pass" }
