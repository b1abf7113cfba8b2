package report

import (
	"encoding/json"
	"io"
	"time"
)

// Report is everything one run of the benchmark found.
type Report struct {
	Started time.Time `json:"started"`
	// Length is "short" or "full".
	Length  string  `json:"length"`
	Machine Machine `json:"machine"`
	// Database is the name of the database's process, and whether its CPU time is counted in the rows: that of the embedded
	// development database says nothing about MongoDB.
	Database        string `json:"database"`
	DatabaseCounted bool   `json:"databaseCounted"`
	// Idle is the memory in bytes of each process before the first scenario.
	Idle map[string]int64 `json:"idleResidentBytes"`
	// IdleCPU is the CPU time in ms that each process uses in a second in which nothing is asked. It is part of every row's
	// CPU time, and matters where a row has few operations per second.
	IdleCPU map[string]float64 `json:"idleCpuMillisPerSecond"`
	Rows    []Row              `json:"rows"`
}

// Machine is where it ran.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Model  string `json:"model,omitempty"`
	Kernel string `json:"kernel,omitempty"`
	Go     string `json:"go"`
	System string `json:"system"`
}

// Met reports whether every row has a result and meets its goals.
func (r *Report) Met() bool {
	for i := range r.Rows {
		if !r.Rows[i].Met() {
			return false
		}
	}
	return true
}

// Failed reports whether a row has no result.
func (r *Report) Failed() bool {
	for i := range r.Rows {
		if r.Rows[i].Error != "" {
			return true
		}
	}
	return false
}

// WriteJSON writes the report as an indented JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
