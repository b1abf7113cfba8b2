module github.com/gatehouse-am/gatehouse/services/console

go 1.26.0
