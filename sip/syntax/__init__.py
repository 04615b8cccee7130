"""What SIP messages, SDP bodies and their parts look like: parsing and writing, nothing else."""
