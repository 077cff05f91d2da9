// Stands in for the kubelet in two things that commands ask of one: to forward a port of a pod, and to
// execute a command in it. It runs no pods. A pod here is a process with namespaces of its own, whose id
// is in the file NAMESPACE/NAME below a folder.
//
//	kubelet ADDRESS FOLDER
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const idle, creation = time.Hour, 30 * time.Second

// pods is the folder with the process ids.
type pods string

func (p pods) process(name string) (string, error) {
	id, err := os.ReadFile(filepath.Join(string(p), name))
	return strings.TrimSpace(string(id)), err
}

// PortForward connects to the loopback interface of the pod.
func (p pods) PortForward(_ context.Context, name, _ string, port int32, stream io.ReadWriteCloser) error {
	id, err := p.process(name)
	if err != nil {
		return err
	}
	connection, err := dial(id, port)
	if err != nil {
		return err
	}
	defer connection.Close()
	go func() {
		_, _ = io.Copy(connection, stream)
		_ = connection.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, connection)
	return err
}

// dial opens a socket in the network namespace of a process. The thread is not used again.
func dial(id string, port int32) (net.Conn, error) {
	type result struct {
		net.Conn
		error
	}
	dialled := make(chan result)
	go func() {
		runtime.LockOSThread()
		namespace, err := os.Open(filepath.Join("/proc", id, "ns/net"))
		if err == nil {
			defer namespace.Close()
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			dialled <- result{nil, err}
			return
		}
		connection, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		dialled <- result{connection, err}
	}()
	done := <-dialled
	return done.Conn, done.error
}

// ExecInContainer executes a command in the namespaces of the pod; all its containers are one here.
func (p pods) ExecInContainer(
	ctx context.Context, name, _, _ string, command []string, in io.Reader, out, err io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	id, failed := p.process(name)
	if failed != nil {
		return failed
	}
	process := exec.CommandContext(ctx, "nsenter",
		append([]string{"--target", id, "--net", "--mount", "--"}, command...)...)
	process.Stdin, process.Stdout, process.Stderr = in, out, err
	failed = process.Run()
	if exit, ok := failed.(*exec.ExitError); ok {
		return &utilexec.ExitErrorWrapper{ExitError: exit}
	}
	return failed
}

func (p pods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log.Println(r.Method, r.URL)
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case path[0] == "portForward" && len(path) >= 3:
		options, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, r, p, filepath.Join(path[1], path[2]), "", options,
			idle, creation, portforward.SupportedProtocols)
	case path[0] == "exec" && len(path) >= 4:
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(w, r, p, filepath.Join(path[1], path[2]), "", path[len(path)-1],
			r.URL.Query()["command"], options, idle, creation, remotecommand.SupportedStreamingProtocols)
	default:
		http.Error(w, "this stands in for a kubelet in portForward and exec only", http.StatusNotFound)
	}
}

// certificate makes one of its own, which nobody checks.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: kubelet ADDRESS FOLDER")
	}
	own, err := certificate()
	if err != nil {
		log.Fatal(err)
	}
	// What a command asks for is upgraded from HTTP/1.1.
	server := &http.Server{
		Addr:         os.Args[1],
		Handler:      pods(os.Args[2]),
		TLSConfig:    &tls.Config{Certificates: []tls.Certificate{own}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
