package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
)

func quiet() *log.Logger {
	return log.New(io.Discard, "", 0)
}

// A proxy of CONNECT: what is asked for is on the other side of a connection without TLS.
func tunnel(answer http.ResponseWriter, request *http.Request) {
	there := must(net.Dial("tcp", request.Host))
	here, _ := must2(http.NewResponseController(answer).Hijack())
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	go io.Copy(there, here)
	io.Copy(here, there)
	here.Close()
}

func must2[T, U any](one T, two U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return one, two
}

func exchange(connection io.ReadWriter, request string) {
	fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: x\r\n\r\n", request)
	answer := must(http.ReadResponse(bufio.NewReader(connection), nil))
	if answer.ContentLength > 0 {
		must(io.Copy(io.Discard, answer.Body))
	}
}

// A request inside of TLS that is inside of TLS, to the proxy itself.
func through(address string) {
	outer := must(tls.Dial("tcp", address, clientConfig))
	fmt.Fprintf(outer, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address)
	must(http.ReadResponse(bufio.NewReader(outer), &http.Request{Method: http.MethodConnect}))
	inner := tls.Client(outer, clientConfig)
	exchange(inner, "GET /inner")
	say([]asked{{"/outer", outer.LocalAddr().(*net.TCPAddr).Port}})
}

// Both ends in memory, while the same goroutine uses a socket, too: nobody can know what the pipe belongs to.
func pipe(folder string, address string) {
	near, far := net.Pipe()
	server := tls.Server(far, serverConfig(folder))
	go func() {
		reader := bufio.NewReader(server)
		for {
			must(http.ReadRequest(reader))
			fmt.Fprint(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	inner := tls.Client(near, clientConfig)
	socket := must(tls.Dial("tcp", address, clientConfig))
	for range 10 {
		exchange(inner, "GET /hidden")
		exchange(socket, "GET /open")
	}
	say([]asked{{"/open", socket.LocalAddr().(*net.TCPAddr).Port}})
}
