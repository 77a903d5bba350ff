// Writes and reads a key, in Go. Usage: go run . [host:port]
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	kv "example.com/kvexample/kvcluster/v1"
)

func main() {
	endpoint := "127.0.0.1:7400"
	if len(os.Args) > 1 {
		endpoint = os.Args[1]
	}
	if err := run(endpoint); err != nil {
		log.Fatal(describe(err))
	}
}

func run(endpoint string) error {
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := kv.NewKvClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	// In a session a write can be repeated after an unclear end: all attempts carry the same number.
	session, err := client.OpenSession(ctx, &kv.OpenSessionRequest{})
	if err != nil {
		return err
	}
	put, err := client.Put(ctx, &kv.PutRequest{
		Key:     []byte("greeting"),
		Value:   []byte("hello from Go"),
		Attempt: &kv.Attempt{Session: session.Session, Number: 1, AcknowledgedBelow: 1},
	})
	if err != nil {
		return err
	}
	fmt.Println("written at version", put.Timestamp)

	get, err := client.Get(ctx, &kv.GetRequest{Key: []byte("greeting")})
	if err != nil {
		return err
	}
	if get.Value != nil {
		fmt.Printf("read %q, version %d\n", get.Value.Value, get.Value.Version)
	}

	// Compare and set: a condition that does not hold is an answer, not an error.
	cas, err := client.ConditionalPut(ctx, &kv.ConditionalPutRequest{
		Key:       []byte("greeting"),
		Value:     []byte("never"),
		Condition: &kv.Condition{Test: &kv.Condition_Exists{Exists: false}},
		Attempt:   &kv.Attempt{Session: session.Session, Number: 2, AcknowledgedBelow: 2},
	})
	if err != nil {
		return err
	}
	if cas.Failure != nil {
		fmt.Printf("nothing changed: the key has %q\n", cas.Failure.Current.GetValue())
	}
	return nil
}

// An error of a call carries an ErrorDetail, whose kind says what to do.
func describe(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if detail, ok := detail.(*kv.ErrorDetail); ok {
			return fmt.Sprintf("%T: %s", detail.Kind, detail.Message)
		}
	}
	return err.Error()
}
