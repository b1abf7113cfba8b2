module github.com/gatehouse-am/gatehouse/scripts/tools

go 1.26.0
