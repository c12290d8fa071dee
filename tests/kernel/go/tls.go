// Ends of TLS connections, by Go's crypto/tls: `tls WHAT ADDRESS PORT …`.
//
// serve FOLDER: HTTP/1.1 and HTTP/2, the certificate is in the folder; it prints its port. serve_raw FOLDER: the same
// without net/http, so that handshakes happen inside the first read. A server answers a path that ends in a number
// with so many bytes.
// ask VERSION CLIENTS TIMES: clients of HTTP/1 or 2 at once, each asks for /cCLIENT/tTIME. in_turn VERSION CLIENTS
// TIMES: one after another, memory given back in between. A client prints JSON: its pid, and for each path the port
// from which it was asked for: http.Transport takes another connection where the machine is slow (50 ms, wroteRequest).
// get PATH…: one connection, and each path on it. wait: a connection that asks /wait/1, waits for its input, and asks
// /wait/2 to /wait/5. through: TLS inside of TLS, by the server as a proxy. pipe FOLDER: both ends in memory.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func body(of string) []byte {
	size, err := strconv.Atoi(path.Base(of))
	if err != nil {
		return []byte("ok")
	}
	return []byte(strings.Repeat("x", size))
}

func serverConfig(folder string) *tls.Config {
	pair := must(tls.LoadX509KeyPair(folder+"/cert.pem", folder+"/key.pem"))
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
}

var clientConfig = &tls.Config{InsecureSkipVerify: true}

func serve(listener net.Listener, folder string) {
	server := http.Server{TLSConfig: serverConfig(folder), ErrorLog: quiet()}
	server.Handler = http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodConnect {
			tunnel(answer, request)
			return
		}
		answer.Write(body(request.URL.Path))
	})
	panic(server.ServeTLS(listener, "", ""))
}

func serveRaw(listener net.Listener, folder string) {
	config := serverConfig(folder)
	config.NextProtos = nil
	for {
		connection := tls.Server(must(listener.Accept()), config)
		go func() {
			defer connection.Close()
			reader := bufio.NewReader(connection)
			for {
				request, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				content := body(request.URL.Path)
				fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
			}
		}()
	}
}

// One that has connections of its own: one at a time, and mostly one for good.
func client(version string) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: clientConfig, ForceAttemptHTTP2: version == "2"}}
}

// The local port of the connection on which it was asked.
func get(client *http.Client, url string) (port int) {
	got := func(info httptrace.GotConnInfo) { port = info.Conn.LocalAddr().(*net.TCPAddr).Port }
	traced := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: got})
	answer := must(client.Do(must(http.NewRequestWithContext(traced, http.MethodGet, url, nil))))
	must(io.Copy(io.Discard, answer.Body))
	answer.Body.Close()
	return port
}

type asked struct {
	path string
	port int
}

func talk(address string, version string, number int, times int) (said []asked) {
	one := client(version)
	for time := range times {
		path := fmt.Sprintf("/c%d/t%d", number, time)
		said = append(said, asked{path, get(one, "https://"+address+path)})
		runtime.Gosched()
	}
	one.CloseIdleConnections()
	return said
}

func say(all ...[]asked) {
	ports := map[string]int{}
	for _, said := range all {
		for _, one := range said {
			ports[one.path] = one.port
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"ports": ports, "pid": os.Getpid()})
}

func main() {
	what, address, rest := os.Args[1], net.JoinHostPort(os.Args[2], os.Args[3]), os.Args[4:]
	switch what {
	case "serve", "serve_raw":
		listener := must(net.Listen("tcp", address))
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		if what == "serve" {
			serve(listener, rest[0])
		}
		serveRaw(listener, rest[0])
	case "ask":
		said := make([][]asked, must(strconv.Atoi(rest[1])))
		var all sync.WaitGroup
		for one := range said {
			all.Add(1)
			go func() {
				defer all.Done()
				said[one] = talk(address, rest[0], one, must(strconv.Atoi(rest[2])))
			}()
		}
		all.Wait()
		say(said...)
	case "in_turn":
		said := make([][]asked, must(strconv.Atoi(rest[1])))
		for one := range said {
			said[one] = talk(address, rest[0], one, must(strconv.Atoi(rest[2])))
			runtime.GC()
		}
		say(said...)
	case "wait":
		one := client("1")
		say([]asked{{"/wait/1", get(one, "https://"+address+"/wait/1")}})
		bufio.NewReader(os.Stdin).ReadString('\n')
		for turn := 2; turn <= 5; turn++ {
			get(one, fmt.Sprintf("https://%s/wait/%d", address, turn))
		}
	case "get":
		one, said := client("1"), []asked{}
		for _, path := range rest {
			said = append(said, asked{path, get(one, "https://"+address+path)})
		}
		say(said)
	case "pipe":
		pipe(rest[0], address)
	case "through":
		through(address)
	}
}
