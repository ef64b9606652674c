package keyward

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

// The table of credentials, which all clients and the server pass. A character of a value is a byte.
type table struct {
	Rejections map[string]struct {
		Status    int
		Detail    string
		Challenge string
	}
	Cases []tableCase
}

type tableCase struct {
	Name       string
	Lines      [][2]string
	Key        string
	Rejected   string
	Unsendable bool
}

func readTable(t *testing.T) table {
	t.Helper()
	text, err := os.ReadFile("../cases.json")
	if err != nil {
		t.Fatal(err)
	}
	read := table{}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for _, known := range read.Cases {
		for i, line := range known.Lines {
			known.Lines[i][1] = latin1(line[1])
		}
	}
	return read
}

func latin1(text string) string {
	var bytes []byte
	for _, char := range text {
		bytes = append(bytes, byte(char))
	}
	return string(bytes)
}

func TestTheKeyOfARequestIsFoundAsByKeyward(t *testing.T) {
	read := readTable(t)
	for _, known := range read.Cases {
		headers := http.Header{}
		for _, line := range known.Lines {
			headers.Add(line[0], line[1])
		}
		key, rejected := find(headers)
		if rejected == nil {
			if key != known.Key {
				t.Errorf("%s: found %q", known.Name, key)
			}
			continue
		}
		expected := read.Rejections[known.Rejected]
		challenge := rejected.Headers["WWW-Authenticate"]
		if rejected.Status != expected.Status || rejected.Detail != expected.Detail ||
			challenge != expected.Challenge {
			t.Errorf("%s: rejected with %v", known.Name, rejected)
		}
	}
}

func TestEachRequestOfTheTableGetsTheResponseOfKeyward(t *testing.T) {
	program := start(t, "KEYWARD_FAILURES_PER_MINUTE=1000000")
	read := readTable(t)
	names := program.takeInCases(read.Cases)
	address := serve(t, service(program.guard(t)))
	for _, known := range read.Cases {
		ours := send(t, address, "GET", "/whoami", known.Lines)
		if known.Unsendable {
			if ours.status != 400 && ours.status != 401 {
				t.Errorf("%s: %d", known.Name, ours.status)
			}
			continue
		}
		theirs := send(t, program.public, "GET", "/key", known.Lines)
		if ours.status != theirs.status {
			t.Errorf("%s: %d, and Keyward %d", known.Name, ours.status, theirs.status)
		}
		if known.Key != "" {
			caller := struct{ Name string }{}
			if json.Unmarshal(ours.body, &caller) != nil || caller.Name != names[known.Key] {
				t.Errorf("%s: %s", known.Name, ours.body)
			}
		} else if string(ours.body) != string(theirs.body) {
			t.Errorf("%s: %s, and Keyward %s", known.Name, ours.body, theirs.body)
		}
		for _, name := range []string{"WWW-Authenticate", "Cache-Control", "Vary"} {
			if name == "Cache-Control" && known.Key != "" {
				continue // Keyward's own route has a stricter one.
			}
			if ours.headers.Get(name) != theirs.headers.Get(name) {
				t.Errorf("%s: %s: %s", known.Name, name, ours.headers.Get(name))
			}
		}
	}
}
