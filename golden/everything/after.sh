date >> after.log
